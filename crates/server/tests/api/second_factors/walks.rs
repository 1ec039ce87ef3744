//! Random sequences of steps: none reaches a token without the factors that policy asks for.

mod again;
mod second;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use serde_json::{Value, json};
use testkit::{authenticator::Conduct, random::SeededRandom};
use time::OffsetDateTime;

use self::again::{Again, Proven};
use super::sign_in::claims_of;
use crate::{
    answer::Answer,
    app::wrong_code,
    google::Bed,
    grants::Owner,
    passkeys::honest,
    person::{OTHER_PASSWORD, PASSWORD, Tokens},
};

const WALKS: u64 = 4;
const STEPS: usize = 80;

/// What a client may do next.
#[derive(Debug, Clone, Copy)]
enum Step {
    Password { right: bool },
    Code { right: bool },
    Google { theirs: bool },
    Passkey { verified: bool },
    Totp { right: bool },
    RecoveryCode { right: bool },
    MailedCode { right: bool },
    SecondPasskey { verified: bool },
    Again { proof: Again, right: bool },
    Refresh,
    Reset,
    Change,
    Wait(i64),
}

const fn again(proof: Again, right: bool) -> Step {
    Step::Again { proof, right }
}

/// Second factors stand here more often: each needs a sign-in that waits.
const CHOICES: [Step; 38] = [
    Step::Password { right: true },
    Step::Password { right: true },
    Step::Password { right: true },
    Step::Password { right: false },
    Step::Code { right: true },
    Step::Code { right: false },
    Step::Google { theirs: true },
    Step::Google { theirs: false },
    Step::Passkey { verified: true },
    Step::Passkey { verified: false },
    Step::Totp { right: true },
    Step::Totp { right: true },
    Step::Totp { right: false },
    Step::RecoveryCode { right: true },
    Step::RecoveryCode { right: false },
    Step::MailedCode { right: true },
    Step::MailedCode { right: true },
    Step::MailedCode { right: false },
    Step::SecondPasskey { verified: true },
    Step::SecondPasskey { verified: false },
    again(Again::Password, true),
    again(Again::Password, true),
    again(Again::Password, false),
    again(Again::Totp, true),
    again(Again::Totp, true),
    again(Again::Totp, false),
    again(Again::RecoveryCode, true),
    again(Again::RecoveryCode, false),
    again(Again::Passkey, true),
    again(Again::Passkey, false),
    Step::Refresh,
    Step::Refresh,
    Step::Reset,
    Step::Change,
    Step::Change,
    Step::Wait(31),
    Step::Wait(601),
    Step::Wait(3601),
];

/// The end of every walk: a proof that is recent, and one that is too old by then.
const ENDING: [Step; 5] = [
    Step::Passkey { verified: true },
    again(Again::Passkey, true),
    Step::Wait(601),
    Step::Refresh,
    again(Again::Password, false),
];

/// A sign-in whose first factor was right.
#[derive(Debug, Clone)]
struct Waiting {
    challenge: String,
    /// The first factor came by mail, or lies in the same mailbox.
    by_mail: bool,
    since: OffsetDateTime,
    completed: bool,
    /// How often the password had changed.
    changes: usize,
}

/// What a step may give at the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AtMost {
    Nothing,
    /// The question for a second factor.
    Question(Question),
    /// Tokens of two factors, the first of which was proven then.
    Tokens {
        first: OffsetDateTime,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Question {
    /// No code may come by mail, since the first factor came that way.
    by_mail: bool,
    /// There may be tokens instead: the device is remembered.
    may_be_skipped: bool,
}

struct Walk<'a> {
    bed: &'a Bed,
    random: SeededRandom,
    owner: Owner,
    is_staff: bool,
    waiting: Vec<Waiting>,
    /// Devices that skip the second factor, and until when.
    remembered: Vec<(String, OffsetDateTime)>,
    /// Of the step that was proven last.
    last_code: Option<String>,
    used_recovery_codes: usize,
    changes: usize,
    password: &'static str,
    /// A mailbox that set the password proves nothing beside it.
    password_is_by_mail: bool,
    newest: Tokens,
    proven: Proven,
    /// How often a proof was recent enough, or too old.
    recent: usize,
    too_old: usize,
    taken: Vec<String>,
    tokens: usize,
}

impl Walk<'_> {
    fn now(&self) -> OffsetDateTime {
        self.bed.app.now()
    }

    fn flip(&self) -> bool {
        *self.random.pick(&[true, false])
    }

    fn other_password(&self) -> &'static str {
        if self.password == PASSWORD {
            OTHER_PASSWORD
        } else {
            PASSWORD
        }
    }

    /// A device that a client names: none, a known one, a remembered one.
    fn device(&self) -> Option<String> {
        let known = self.owner.it.person.device_token.clone();
        let remembered = self.remembered.iter().map(|(token, _)| token.clone());
        let all: Vec<_> = [None, Some(known)]
            .into_iter()
            .chain(remembered.map(Some))
            .collect();
        self.random.pick(&all).clone()
    }

    fn skips(&self, device: Option<&str>) -> bool {
        let now = self.now();
        let counts = |(token, until): &(String, OffsetDateTime)| {
            device == Some(token.as_str()) && now < *until
        };
        !self.is_staff && self.remembered.iter().any(counts)
    }

    /// What a first factor may give.
    fn first(&self, right: bool, by_mail: bool, device: Option<&str>) -> AtMost {
        if !right {
            return AtMost::Nothing;
        }
        AtMost::Question(Question {
            by_mail,
            may_be_skipped: self.skips(device),
        })
    }

    async fn post_from(&self, device: Option<&str>, path: &str, body: &Value) -> Answer {
        let mut request = self.bed.app.request("POST", path).json(body);
        if let Some(device) = device {
            request = request.header("X-Device-Token", device);
        }
        self.bed.app.send(request).await
    }

    /// The next code that comes by mail, after a request that may have been refused.
    async fn code_after(&self, asked: &Answer, before: usize) -> Option<String> {
        if !asked.status.is_success() {
            return None;
        }
        self.bed.app.settle_messages().await;
        let codes = self
            .bed
            .app
            .codes_to(&self.owner.it.person.identifier, 0)
            .await;
        let newest = codes.first().filter(|_| codes.len() > before)?;
        newest["code"].as_str().map(ToOwned::to_owned)
    }

    async fn codes_so_far(&self) -> usize {
        self.bed.app.settle_messages().await;
        self.bed
            .app
            .codes_to(&self.owner.it.person.identifier, 0)
            .await
            .len()
    }

    async fn take(&mut self, step: Step) {
        let email = self.owner.it.person.identifier.clone();
        let app = &self.bed.app;
        match step {
            Step::Password { right } => {
                let typed = if right {
                    self.password
                } else {
                    "quite-Another-99-guess"
                };
                let device = self.device();
                let body = json!({"identifier": email, "password": typed});
                let answer = self
                    .post_from(device.as_deref(), "/api/v1/auth/login", &body)
                    .await;
                let most = self.first(right, self.password_is_by_mail, device.as_deref());
                self.judge(step, &answer, most);
            }
            Step::Code { right } => {
                let before = self.codes_so_far().await;
                let asked = app
                    .post("/api/v1/auth/login/otp", &json!({"identifier": email}))
                    .await;
                let Some(code) = self.code_after(&asked, before).await else {
                    return;
                };
                let typed = if right { code } else { wrong_code(&code) };
                let device = self.device();
                let body = json!({"challenge_id": asked.text_of("/challenge_id"), "code": typed});
                let answer = self
                    .post_from(device.as_deref(), "/api/v1/auth/verify-otp", &body)
                    .await;
                let most = self.first(right, true, device.as_deref());
                self.judge(step, &answer, most);
            }
            Step::Google { theirs } => {
                let subject = if theirs {
                    self.owner.subject.as_str()
                } else {
                    "somebody"
                };
                let claims = self.bed.claims(subject, &email).await;
                let device = self.device();
                let body = json!({"id_token": self.bed.double.token(&claims)});
                let answer = self
                    .post_from(device.as_deref(), crate::google::SIGN_IN, &body)
                    .await;
                let most = self.first(theirs, true, device.as_deref());
                self.judge(step, &answer, most);
            }
            Step::Passkey { verified } => {
                let conduct = Conduct {
                    user_verified: verified,
                    ..honest()
                };
                let answer = app.sign_in_with(&self.owner.passkey, &conduct).await;
                let most = if verified {
                    AtMost::Tokens { first: self.now() }
                } else {
                    AtMost::Nothing
                };
                self.judge(step, &answer, most);
            }
            Step::Refresh => {
                let answer = app.refresh(&self.newest.refresh).await;
                let acr = claims_of(&self.newest)["acr"].clone();
                if answer.status == 200 {
                    let tokens = Tokens::of(&answer);
                    assert_eq!(
                        claims_of(&tokens)["acr"],
                        acr,
                        "a refresh adds nothing: {:#?}",
                        self.taken
                    );
                    self.newest = tokens;
                }
            }
            Step::Reset => {
                let next = self.other_password();
                let before = self.codes_so_far().await;
                let asked = app
                    .post("/api/v1/auth/password/reset", &json!({"identifier": email}))
                    .await;
                let Some(code) = self.code_after(&asked, before).await else {
                    return;
                };
                let body = json!({
                    "challenge_id": asked.text_of("/challenge_id"), "code": code, "new_password": next,
                });
                let answer = app.post("/api/v1/auth/password/reset/confirm", &body).await;
                self.judge(step, &answer, AtMost::Nothing);
                if answer.status == 200 {
                    self.password = next;
                    self.password_is_by_mail = true;
                    self.changes += 1;
                }
            }
            Step::Change => {
                let next = self.other_password();
                let path = "/api/v1/auth/password/change";
                let body = json!({"current_password": self.password, "new_password": next});
                let answer = app.post_as(&self.newest.access, path, &body).await;
                self.taken
                    .push(format!("{step:?}: {} {}", answer.status, self.now()));
                if answer.status == 200 {
                    // It proves the first factor, and no more.
                    self.newest = Tokens::of(&answer);
                    self.proven.first = self.now();
                    self.password = next;
                    self.password_is_by_mail = false;
                    self.changes += 1;
                }
            }
            Step::Wait(seconds) => app.advance_seconds(seconds),
            Step::Again { proof, right } => self.take_again(proof, right).await,
            _ => self.take_second(step).await,
        }
    }

    fn judge(&mut self, step: Step, answer: &Answer, most: AtMost) {
        self.taken.push(format!(
            "{step:?}: {} {}, at most {most:?}",
            answer.status,
            self.now()
        ));
        let walk = &self.taken;
        if !answer.status.is_success() {
            return;
        }
        let data = answer.data();
        if data.get("tokens").is_some() {
            let tokens = Tokens::of(answer);
            let acr = claims_of(&tokens)["acr"].clone();
            let now = self.bed.app.now();
            self.proven = match most {
                AtMost::Tokens { first } => {
                    assert_eq!(acr, "2", "{walk:#?}");
                    Proven {
                        first,
                        second: Some(now),
                        is_mailed: matches!(step, Step::MailedCode { .. }),
                    }
                }
                AtMost::Question(it) if it.may_be_skipped => {
                    assert_eq!(acr, "1", "{walk:#?}");
                    Proven {
                        first: now,
                        second: None,
                        is_mailed: false,
                    }
                }
                _ => panic!("tokens, though at most {most:?}: {walk:#?}"),
            };
            self.newest = tokens;
            self.tokens += 1;
        } else if data["status"] == "mfa_required" {
            let AtMost::Question(Question { by_mail, .. }) = most else {
                panic!("a question, though at most {most:?}: {walk:#?}");
            };
            let methods = data["methods"].as_array().unwrap();
            let offers_mail = methods.contains(&json!("otp"));
            assert_eq!(
                offers_mail,
                !by_mail && !self.is_staff,
                "{methods:?}: {walk:#?}"
            );
            self.waiting.push(Waiting {
                challenge: answer.text_of("/challenge_id"),
                by_mail,
                since: self.now(),
                completed: false,
                changes: self.changes,
            });
        }
    }
}

/// Walks from a seed, and hands over how many tokens were reached, and how often a proof was recent or too old.
async fn walk(bed: &Bed, seed: u64, is_staff: bool) -> [usize; 3] {
    let owner = bed.owner().await;
    if is_staff {
        bed.app.give_role(&owner.it.person.id, "support").await;
    }
    let newest = Tokens::of(&bed.app.sign_in_with(&owner.passkey, &honest()).await);
    let now = bed.app.now();
    let mut walk = Walk {
        bed,
        random: SeededRandom::new(seed),
        owner,
        is_staff,
        waiting: Vec::new(),
        remembered: Vec::new(),
        last_code: None,
        used_recovery_codes: 0,
        changes: 0,
        password: PASSWORD,
        password_is_by_mail: false,
        newest,
        proven: Proven {
            first: now,
            second: Some(now),
            is_mailed: false,
        },
        recent: 0,
        too_old: 0,
        taken: vec![format!("seed {seed}, staff {is_staff}")],
        tokens: 0,
    };
    for _ in 0..STEPS {
        let step = *walk.random.pick(&CHOICES);
        walk.take(step).await;
    }
    for step in ENDING {
        walk.take(step).await;
    }
    [walk.tokens, walk.recent, walk.too_old]
}

testkit::on_every_engine! {
    async fn no_sequence_of_steps_reaches_a_token_without_what_policy_asks(engine: Engine) {
        let bed = Bed::start(engine).await;
        // Another one each time; a walk that fails shows its seed.
        let first = RandomState::new().build_hasher().finish();
        let mut seen = [0; 3];
        for number in 0..WALKS {
            let walked = Box::pin(walk(&bed, first.wrapping_add(number), number % 2 == 1)).await;
            for (sum, more) in seen.iter_mut().zip(walked) {
                *sum += more;
            }
        }
        assert!(seen.iter().all(|it| *it > 0), "a walk that reaches nothing shows nothing: {seen:?}");
    }
}
