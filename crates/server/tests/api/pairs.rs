//! Every two acts that change how an account is opened, at the same moment, on two nodes.
//!
//! The oracle is the service itself, one act after the other: what two at once answer, and leave behind, is what
//! they do in one order or the other, or what one of them does alone while the other is refused.

use std::fmt;

use reqwest::{
    Request, RequestBuilder,
    header::{AUTHORIZATION, HeaderValue},
};
use serde_json::{Value, json};
use testkit::{Engine, race};

use crate::{
    app::TestApp,
    google::{Bed, LINK},
    identifier::token_in,
    person::{OTHER_PASSWORD, PASSWORD, Person, Tokens},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    ResetByCode,
    ResetByLink,
    PasswordChange,
    IdentifierChange,
    IdentifierUndo,
    NotMe,
    TotpConfirm,
    TotpRemove,
    RecoveryCodes,
    PasskeyAdd,
    PasskeyRemove,
    GoogleLink,
    GoogleUnlink,
    LogOutAll,
}

use Act::{
    GoogleLink, GoogleUnlink, IdentifierChange, IdentifierUndo, LogOutAll, NotMe, PasskeyAdd,
    PasskeyRemove, PasswordChange, RecoveryCodes, ResetByCode, ResetByLink, TotpConfirm,
    TotpRemove,
};

const ALL: [Act; 14] = [
    ResetByCode,
    ResetByLink,
    PasswordChange,
    IdentifierChange,
    IdentifierUndo,
    NotMe,
    TotpConfirm,
    TotpRemove,
    RecoveryCodes,
    PasskeyAdd,
    PasskeyRemove,
    GoogleLink,
    GoogleUnlink,
    LogOutAll,
];

/// How the two meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meeting {
    AtOnce,
    FirstThenSecond,
    SecondThenFirst,
    /// The later one with the token of the earlier one's answer, if it has one: at once, it may have been let in just
    /// before its own token was ended.
    FirstThenRenewedSecond,
    SecondThenRenewedFirst,
    FirstAlone,
    SecondAlone,
}

/// What came of it. `None`: it was not tried, or was refused.
#[derive(PartialEq, Eq)]
struct Outcome {
    done: [bool; 2],
    left: Vec<String>,
    answers: Vec<String>,
}

impl Outcome {
    fn is_like(&self, other: &Self) -> bool {
        (self.done, &self.left) == (other.done, &other.left)
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} {:?}", self.done, self.left, self.answers)
    }
}

struct Two {
    bed: Bed,
    other: TestApp,
    engine: Engine,
}

/// Somebody in the state in which both acts are possible.
struct Scene {
    person: Person,
    /// The address that they registered with.
    first: String,
    before: Vec<String>,
}

impl Two {
    async fn start(engine: Engine) -> Self {
        let bed = Bed::start(engine).await;
        let other = bed.another_node().await;
        Self { bed, other, engine }
    }

    async fn set(&self, acts: [Act; 2]) -> Scene {
        let app = &self.bed.app;
        let mut person = app.register_person().await;
        let first = person.identifier.clone();
        let confirmed = app.send(app.next_totp(&person.tokens.access).await).await;
        confirmed.assert_status(200);
        person.tokens = Tokens::of(&confirmed);
        let access = person.tokens.access.clone();
        let has = |act| acts.contains(&act);
        if has(GoogleUnlink) {
            let linked = self.bed.link(&access, &person.id, &first).await;
            linked.assert_status(200);
        }
        if has(PasskeyRemove) {
            app.enrol_passkey(&person).await;
        }
        if has(IdentifierUndo) {
            let new = app.fresh_email();
            app.change_identifier(&access, &new)
                .await
                .assert_status(200);
            person.identifier = new;
        }
        let before = self.state(&person.id).await;
        Scene {
            person,
            first,
            before,
        }
    }

    /// Does all that comes before an act, and hands over the request that is left, to this node.
    async fn prepare(&self, act: Act, node: &TestApp, scene: &Scene) -> RequestBuilder {
        let app = &self.bed.app;
        let person = &scene.person;
        let access = &person.tokens.access;
        let email = &person.identifier;
        let post = |path: &str, body: &Value| node.post_request(path, body);
        let delete = |path: &str| node.request("DELETE", path).bearer_auth(access);
        match act {
            ResetByCode | ResetByLink => {
                let body = json!({"identifier": email});
                let asked = app.post("/api/v1/auth/password/reset", &body).await;
                let message = app.message_with(email, "#token=").await;
                let body = if act == ResetByCode {
                    json!({
                        "challenge_id": asked.text_of("/challenge_id"), "code": message["code"],
                        "new_password": OTHER_PASSWORD,
                    })
                } else {
                    json!({"token": token_in(&message, "token"), "new_password": OTHER_PASSWORD})
                };
                post("/api/v1/auth/password/reset/confirm", &body)
            }
            PasswordChange => {
                let body = json!({
                    "current_password": PASSWORD, "new_password": "walnut-Cistern-58-marigold",
                });
                post("/api/v1/auth/password/change", &body).bearer_auth(access)
            }
            IdentifierChange => {
                let new = app.fresh_email();
                let asked = app.ask_to_change(access, &new).await;
                let code = app.code_sent_to(&new).await;
                let body = json!({"challenge_id": asked.text_of("/challenge_id"), "code": code});
                post("/api/v1/me/identifier/confirm", &body).bearer_auth(access)
            }
            IdentifierUndo => {
                let notice = app.message_with(&scene.first, "#undo=").await;
                let body = json!({"token": token_in(&notice, "undo")});
                post("/api/v1/auth/identifier/undo", &body)
            }
            NotMe => {
                let notice = app.message_with(&scene.first, "an authenticator app").await;
                let body = json!({"token": token_in(&notice, "not-me")});
                post("/api/v1/auth/not-me", &body)
            }
            TotpConfirm => {
                let confirm = app.next_totp(access).await.build().unwrap();
                let sent = confirm.body().unwrap().as_bytes().unwrap();
                let body: Value = serde_json::from_slice(sent).unwrap();
                post("/api/v1/me/mfa/totp/confirm", &body).bearer_auth(access)
            }
            TotpRemove => delete("/api/v1/me/mfa/totp"),
            RecoveryCodes => node
                .request("POST", "/api/v1/me/mfa/recovery-codes")
                .bearer_auth(access),
            PasskeyAdd => {
                let enrol = app.next_passkey(access).await.build().unwrap();
                let sent = enrol.body().unwrap().as_bytes().unwrap();
                let body: Value = serde_json::from_slice(sent).unwrap();
                post("/api/v1/me/passkeys", &body).bearer_auth(access)
            }
            PasskeyRemove => {
                let passkeys = app.get_as(access, "/api/v1/me/passkeys").await;
                let passkey = passkeys.text_of("/items/0/id");
                delete(&format!("/api/v1/me/passkeys/{passkey}"))
            }
            GoogleLink => {
                let proof = self.bed.proof_in(access, &person.id, email).await;
                post(LINK, &proof).bearer_auth(access)
            }
            GoogleUnlink => delete(LINK),
            LogOutAll => node
                .request("POST", "/api/v1/auth/logout-all")
                .bearer_auth(access),
        }
    }

    async fn run(&self, acts: [Act; 2], meeting: Meeting) -> Outcome {
        let scene = self.set(acts).await;
        let nodes = [&self.bed.app, &self.other];
        let mut requests = Vec::new();
        for (act, node) in acts.into_iter().zip(nodes) {
            requests.push(self.prepare(act, node, &scene).await.build().unwrap());
        }
        // Whoever is told of a session by another node asks the store, so that none waits for a cache.
        let client = reqwest::Client::new();
        let send_with = |number: usize, token: Option<HeaderValue>| {
            let mut request = requests[number].try_clone().unwrap();
            if let Some(token) = token {
                request.headers_mut().insert(AUTHORIZATION, token);
            }
            let client = client.clone();
            async move {
                let answer = client.execute(request).await.unwrap();
                let status = answer.status();
                assert!(!status.is_server_error(), "{status}");
                (status.is_success(), answer.text().await.unwrap())
            }
        };
        let send = |number: usize| send_with(number, None);
        let refused = || (false, String::new());
        let [first, second] = match meeting {
            Meeting::AtOnce => {
                let mut answers = race::at_once(2, send).await;
                let second = answers.pop().unwrap();
                [answers.pop().unwrap(), second]
            }
            Meeting::FirstThenSecond => {
                let first = send(0).await;
                [first, send(1).await]
            }
            Meeting::SecondThenFirst => {
                let second = send(1).await;
                [send(0).await, second]
            }
            Meeting::FirstThenRenewedSecond => {
                let first = send(0).await;
                let token = renewed(&requests[1], &first.1);
                [first, send_with(1, token).await]
            }
            Meeting::SecondThenRenewedFirst => {
                let second = send(1).await;
                let token = renewed(&requests[0], &second.1);
                [send_with(0, token).await, second]
            }
            Meeting::FirstAlone => [send(0).await, refused()],
            Meeting::SecondAlone => [refused(), send(1).await],
        };
        let after = self.state(&scene.person.id).await;
        let left = scene.before.iter().zip(&after).map(|(before, after)| {
            let is_changed = if before == after {
                "as before"
            } else {
                "changed"
            };
            match after.split_once('=') {
                // A digest is another one each time.
                Some((name, _)) if name.ends_with('#') => format!("{name}{is_changed}"),
                _ => after.clone(),
            }
        });
        Outcome {
            done: [first.0, second.0],
            left: left.collect(),
            answers: vec![first.1, second.1],
        }
    }

    /// All that opens the account.
    async fn state(&self, account: &str) -> Vec<String> {
        let id = account.replace('-', "");
        let hex = |column: &str| match self.engine {
            Engine::Embedded => format!("hex({column})"),
            Engine::Production => format!("encode({column}, 'hex')"),
        };
        let row = match self.engine {
            Engine::Embedded => format!("hex(a.id) = '{}'", id.to_uppercase()),
            Engine::Production => format!("a.id = '{id}'"),
        };
        let of = |table: &str, column: &str, and: &str| {
            format!("(SELECT {column} FROM {table} WHERE account_id = a.id {and})")
        };
        let parts = [
            (
                "identifier#",
                of(
                    "identifier_index",
                    &format!("MIN({})", hex("digest")),
                    "AND reserved_until IS NULL",
                ),
            ),
            (
                "identifiers",
                of("identifier_index", "COUNT(*)", "AND reserved_until IS NULL"),
            ),
            (
                "reserved",
                of(
                    "identifier_index",
                    "COUNT(*)",
                    "AND reserved_until IS NOT NULL",
                ),
            ),
            ("password#", of("password_credentials", "password_hash", "")),
            ("reset over", of("password_credentials", "reset_over", "")),
            (
                "locked",
                of(
                    "password_credentials",
                    "CASE WHEN locked_until_reset_at IS NULL THEN 'no' ELSE 'yes' END",
                    "",
                ),
            ),
            ("app#", of("totp_factors", &hex("secret"), "")),
            ("apps", of("totp_factors", "COUNT(secret)", "")),
            (
                "recovery codes#",
                of("recovery_codes", &format!("MIN({})", hex("digest")), ""),
            ),
            ("recovery codes", of("recovery_codes", "COUNT(*)", "")),
            ("passkeys", of("passkeys", "COUNT(*)", "")),
            ("identities", of("federated_identities", "COUNT(*)", "")),
            (
                "sessions",
                of("sessions", "COUNT(*)", "AND ended_at IS NULL"),
            ),
            ("devices", of("devices", "COUNT(*)", "")),
            ("waiting", of("pending_sign_ins", "COUNT(*)", "")),
        ];
        let mut state = Vec::new();
        for (name, expression) in parts {
            let sql = format!(
                "SELECT COALESCE(CAST({expression} AS text), '-') FROM accounts a WHERE {row}"
            );
            let rows = self.bed.app.database().rows(&sql).await;
            let value: String = rows[0].try_get_by_index(0).unwrap();
            state.push(format!("{name}={value}"));
        }
        state
    }

    /// A unit that changes an account holds it from its start, so none of two waits for the other in a circle.
    async fn assert_no_deadlock(&self) {
        assert_eq!(self.bed.app.database().deadlocks().await, 0);
    }

    async fn walk(&self, acts: [Act; 2], rounds: usize) {
        let mut serial = vec![
            Box::pin(self.run(acts, Meeting::FirstThenSecond)).await,
            Box::pin(self.run(acts, Meeting::SecondThenFirst)).await,
        ];
        if acts.iter().any(|act| act.renews()) {
            serial.push(Box::pin(self.run(acts, Meeting::FirstThenRenewedSecond)).await);
            serial.push(Box::pin(self.run(acts, Meeting::SecondThenRenewedFirst)).await);
        }
        // Of two enrolments in one session the second takes the place of the first.
        let done = |outcome: &Outcome| outcome.done[0] || outcome.done[1];
        assert!(serial.iter().any(done), "{acts:?}: {serial:?}");
        for _ in 0..rounds {
            let met = Box::pin(self.run(acts, Meeting::AtOnce)).await;
            if serial.iter().any(|it| it.is_like(&met)) {
                continue;
            }
            // Both were let in, and the later one found nothing left to end.
            if acts == [LogOutAll, LogOutAll] && serial.iter().any(|it| it.left == met.left) {
                continue;
            }
            let alone = match met.done {
                [true, false] => Box::pin(self.run(acts, Meeting::FirstAlone)).await,
                [false, true] => Box::pin(self.run(acts, Meeting::SecondAlone)).await,
                _ => panic!("{acts:?} at once: {met:?}; one after the other: {serial:?}"),
            };
            assert!(
                alone.is_like(&met),
                "{acts:?} at once: {met:?}; one after the other: {serial:?}; one alone: {alone:?}"
            );
        }
    }
}

impl Act {
    /// Its answer has the session's next tokens.
    fn renews(self) -> bool {
        matches!(self, PasswordChange | TotpConfirm)
    }
}

/// The token of an answer, for a request that came with one.
fn renewed(request: &Request, answer: &str) -> Option<HeaderValue> {
    request.headers().get(AUTHORIZATION)?;
    let answer: Value = serde_json::from_str(answer).ok()?;
    let token = answer["data"]["tokens"]["access_token"].as_str()?;
    Some(HeaderValue::from_str(&format!("Bearer {token}")).unwrap())
}

/// How many tests share the pairs, so that none takes long.
const PARTS: usize = 7;

/// Pairs of an act with itself and with those after it, of two of the acts.
async fn walk_a_part(engine: Engine, part: usize) {
    let two = Two::start(engine).await;
    for (number, first) in ALL.into_iter().enumerate() {
        if number % PARTS != part {
            continue;
        }
        for second in ALL.into_iter().skip(number) {
            two.walk([first, second], 1).await;
        }
    }
    two.assert_no_deadlock().await;
}

testkit::on_every_engine! {
    async fn two_acts_at_once_are_one_after_the_other_1(engine: Engine) {
        walk_a_part(engine, 0).await;
    }

    async fn two_acts_at_once_are_one_after_the_other_2(engine: Engine) {
        walk_a_part(engine, 1).await;
    }

    async fn two_acts_at_once_are_one_after_the_other_3(engine: Engine) {
        walk_a_part(engine, 2).await;
    }

    async fn two_acts_at_once_are_one_after_the_other_4(engine: Engine) {
        walk_a_part(engine, 3).await;
    }

    async fn two_acts_at_once_are_one_after_the_other_5(engine: Engine) {
        walk_a_part(engine, 4).await;
    }

    async fn two_acts_at_once_are_one_after_the_other_6(engine: Engine) {
        walk_a_part(engine, 5).await;
    }

    async fn two_acts_at_once_are_one_after_the_other_7(engine: Engine) {
        walk_a_part(engine, 6).await;
    }

    /// The owner's new password with the address of whoever changed it would be both of them let in.
    async fn a_reset_and_a_change_of_the_identifier_are_not_both_done(engine: Engine) {
        let two = Two::start(engine).await;
        let rounds = match engine {
            Engine::Embedded => 4,
            Engine::Production => 20,
        };
        for reset in [ResetByCode, ResetByLink] {
            two.walk([reset, IdentifierChange], rounds).await;
        }
        two.assert_no_deadlock().await;
    }
}
