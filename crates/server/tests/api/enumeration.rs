//! Nobody can tell from outside whether an identifier is anybody's.
//!
//! Compared are status, headers, body (with what is random or one's own masked), and, behind the scenes,
//! the number of hashes, estimates, statements and queued messages.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    answer::Answer,
    app::TestApp,
    person::{OTHER_PASSWORD, PASSWORD},
};

/// Everything that an observer, or an operator's counter, could tell two answers apart by.
#[derive(Debug, PartialEq)]
struct Trace {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Value,
    hashes: u64,
    estimates: u64,
    statements: u64,
    messages: i64,
}

impl TestApp {
    async fn trace(&self, path: &str, body: &Value) -> Trace {
        let _quiet = self.quiet().await;
        let before = self.counters();
        let answer = self.post(path, body).await;
        let after = self.counters();
        Trace {
            status: answer.status.as_u16(),
            headers: headers_of(&answer),
            body: masked(answer.json()),
            hashes: after.hashes - before.hashes,
            estimates: after.estimates - before.estimates,
            statements: after.statements - before.statements,
            messages: self.count("outbox_messages").await,
        }
    }
}

fn headers_of(answer: &Answer) -> BTreeMap<String, String> {
    let changing = ["date", "x-request-id", "ratelimit", "content-length"];
    answer
        .headers
        .iter()
        .filter(|(name, _)| !changing.contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect()
}

fn masked(mut body: Value) -> Value {
    for pointer in ["/request_id", "/data/challenge_id", "/data/sent_to"] {
        if let Some(value) = body.pointer_mut(pointer) {
            *value = json!(format!("{} characters", value.as_str().unwrap().len()));
        }
    }
    body
}

/// Four people of equally long addresses: active, deleted, one who never proved the code, nobody.
async fn four_kinds(app: &TestApp) -> [String; 4] {
    let [active, deleted, unproven, unknown] =
        ["active", "delete", "proven", "nobody"].map(|name| format!("{name}@example.com"));
    app.register_as(&active, PASSWORD).await;
    let gone = app.register_as(&deleted, PASSWORD).await;
    app.set_account_status(&gone.id, "deleted").await;
    app.ask_to_register(&unproven, PASSWORD)
        .await
        .assert_status(202);
    app.advance_seconds(61);
    [active, deleted, unproven, unknown]
}

async fn assert_alike(app: &TestApp, path: &str, bodies: [Value; 4], status: u16) {
    let mut first = None::<Trace>;
    for body in bodies {
        let trace = app.trace(path, &body).await;
        assert_eq!(trace.status, status, "{path} {body}: {trace:?}");
        match &first {
            None => first = Some(trace),
            Some(first) => assert_eq!(&trace, first, "{path} {body}"),
        }
    }
}

testkit::on_every_engine! {
    async fn a_wrong_password_says_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let kinds = four_kinds(&app).await;
        let bodies = kinds.map(|it| json!({"identifier": it, "password": OTHER_PASSWORD}));
        assert_alike(&app, "/api/v1/auth/login", bodies, 401).await;
    }

    async fn a_registration_says_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let kinds = four_kinds(&app).await;
        let bodies = kinds.map(|it| json!({"email": it, "password": OTHER_PASSWORD}));
        assert_alike(&app, "/api/v1/auth/register", bodies, 202).await;
    }

    async fn a_made_up_code_for_a_reset_says_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut challenges = Vec::new();
        for identifier in &four_kinds(&app).await {
            let answer = app.post("/api/v1/auth/password/reset", &json!({"identifier": identifier})).await;
            challenges.push(answer.text_of("/challenge_id"));
        }
        let challenges: [String; 4] = challenges.try_into().unwrap();
        let bodies = challenges
            .map(|it| json!({"challenge_id": it, "code": "000000", "new_password": OTHER_PASSWORD}));
        assert_alike(&app, "/api/v1/auth/password/reset/confirm", bodies, 401).await;
    }

    async fn asking_for_a_code_says_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let kinds = four_kinds(&app).await;
        for path in ["/api/v1/auth/login/otp", "/api/v1/auth/password/reset"] {
            let bodies = kinds.clone().map(|it| json!({"identifier": it}));
            assert_alike(&app, path, bodies, 202).await;
        }
        app.settle_messages().await;
        let nobody = &kinds[3];
        assert!(app.mailbox(nobody).await.is_empty(), "to nobody nothing is sent");
    }

    async fn a_resend_and_a_wrong_code_say_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let kinds = four_kinds(&app).await;
        let mut challenges = Vec::new();
        for identifier in &kinds {
            let body = json!({"identifier": identifier});
            let answer = app.post("/api/v1/auth/login/otp", &body).await;
            challenges.push(answer.text_of("/challenge_id"));
        }
        app.advance_seconds(61);
        let challenges: [String; 4] = challenges.try_into().unwrap();
        let bodies = challenges.clone().map(|it| json!({"challenge_id": it}));
        assert_alike(&app, "/api/v1/auth/resend-otp", bodies, 202).await;
        for tries in 1..=6 {
            let status = if tries <= 5 { 401 } else { 429 };
            let bodies = challenges.clone().map(|it| json!({"challenge_id": it, "code": "000000"}));
            assert_alike(&app, "/api/v1/auth/verify-otp", bodies, status).await;
        }
    }

    async fn a_locked_identifier_says_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let kinds = four_kinds(&app).await;
        for attempt in 1..=7 {
            let status = if attempt <= 5 { 401 } else { 429 };
            let bodies = kinds.clone().map(|it| json!({"identifier": it, "password": OTHER_PASSWORD}));
            assert_alike(&app, "/api/v1/auth/login", bodies, status).await;
        }
        // The right password of a locked account looks like any password of a locked nobody.
        let bodies = kinds.map(|it| json!({"identifier": it, "password": PASSWORD}));
        assert_alike(&app, "/api/v1/auth/login", bodies, 429).await;
    }

    /// The hundredth failure in a row, which closes the password and tells the owner, and what comes after it.
    async fn a_closed_identifier_says_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let kinds = four_kinds(&app).await;
        let wrong = || kinds.clone().map(|it| json!({"identifier": it, "password": OTHER_PASSWORD}));
        assert_alike(&app, "/api/v1/auth/login", wrong(), 401).await;
        app.database().execute("UPDATE sign_in_failures SET in_a_row = 99").await;
        app.advance_seconds(3600);
        assert_alike(&app, "/api/v1/auth/login", wrong(), 401).await;
        app.advance_seconds(3600);
        assert_alike(&app, "/api/v1/auth/login", wrong(), 429).await;
        let right = kinds.map(|it| json!({"identifier": it, "password": PASSWORD}));
        assert_alike(&app, "/api/v1/auth/login", right, 429).await;
    }

    /// The same of codes: the hundredth wrong one, a long code in their place, and wrong ones of those.
    async fn long_codes_say_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let kinds = four_kinds(&app).await;
        let mut challenges = Vec::new();
        for identifier in &kinds {
            let answer = app.post("/api/v1/auth/login/otp", &json!({"identifier": identifier})).await;
            challenges.push(answer.text_of("/challenge_id"));
        }
        let challenges: [String; 4] = challenges.try_into().unwrap();
        let tries = |code: &'static str| challenges.clone().map(|it| json!({"challenge_id": it, "code": code}));
        assert_alike(&app, "/api/v1/auth/verify-otp", tries("00000000000O"), 401).await;
        app.database().execute("UPDATE code_tries SET in_a_row = 99").await;
        assert_alike(&app, "/api/v1/auth/verify-otp", tries("00000000000O"), 401).await;
        assert_alike(&app, "/api/v1/auth/verify-otp", tries("00000000000O"), 429).await;
        app.advance_seconds(61);
        let bodies = kinds.map(|it| json!({"identifier": it}));
        assert_alike(&app, "/api/v1/auth/login/otp", bodies, 202).await;
        assert_alike(&app, "/api/v1/auth/verify-otp", tries("000000"), 401).await;
    }
}
