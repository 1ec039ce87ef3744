//! What a stranger can do with patience: some guesses, and then none, however long they go on; and what stays
//! open to the owner meanwhile.

use serde_json::{Value, json};
use testkit::authenticator::Conduct;
use time::Duration;

use crate::{
    answer::Answer,
    app::{TestApp, wrong_code},
    passkeys,
    person::{OTHER_PASSWORD, PASSWORD, Person},
};

const LOGIN_OTP: &str = "/api/v1/auth/login/otp";
const RESET: &str = "/api/v1/auth/password/reset";
const CONFIRM: &str = "/api/v1/auth/password/reset/confirm";
/// How long a patient stranger goes on.
const DAYS: u32 = 60;
const HUNDRED: usize = 100;
const NOTICE: &str = "Repeated attempts to get into your";

/// A challenge that somebody asked for.
struct Asked {
    challenge: String,
    format: String,
}

impl TestApp {
    async fn ask_for_code(&self, path: &str, identifier: &str) -> Asked {
        let asked = self.post(path, &json!({"identifier": identifier})).await;
        asked.assert_status(202);
        Asked {
            challenge: asked.text_of("/challenge_id"),
            format: asked.text_of("/format"),
        }
    }

    /// The newest code, as the `count`th that was sent.
    async fn newest_code(&self, identifier: &str, count: usize) -> String {
        let codes = self.codes_to(identifier, count).await;
        codes[0]["code"].as_str().expect("a code").to_owned()
    }

    async fn try_code(&self, path: &str, challenge: &str, code: &str) -> Answer {
        let mut body = json!({"challenge_id": challenge, "code": code});
        if path == RESET {
            body["new_password"] = json!(OTHER_PASSWORD);
            return self.post(CONFIRM, &body).await;
        }
        self.post("/api/v1/auth/verify-otp", &body).await
    }

    async fn notices_of_guessing(&self, identifier: &str) -> usize {
        self.settle_messages().await;
        let mut mails = self.mailbox(identifier).await;
        mails.retain(|it| it["subject"].as_str().is_some_and(|it| it.contains(NOTICE)));
        mails.len()
    }

    /// As if so many failures had been counted, which takes long.
    async fn set_in_a_row(&self, table: &str, count: usize) {
        let sql = format!("UPDATE {table} SET in_a_row = {count}");
        self.database().execute(&sql).await;
    }

    /// Closes the password by failures that are too slow for a lock.
    async fn close_password(&self, identifier: &str) {
        for _ in 0..HUNDRED {
            self.advance_seconds(5 * 60);
            let wrong = self.log_in(identifier, OTHER_PASSWORD).await;
            wrong.assert_problem(401, "invalid_credentials");
        }
    }

    /// What a stranger gets judged of six digits in [`DAYS`], fifteen guesses a day; with how many codes were sent.
    async fn guess_codes_for_long(&self, path: &str, person: &Person) -> (usize, usize) {
        let (mut judged, mut sent) = (0, 1);
        for _ in 0..3 * DAYS {
            self.advance(Duration::hours(8));
            let asked = self.ask_for_code(path, &person.identifier).await;
            sent += 1;
            let right = self.newest_code(&person.identifier, sent).await;
            assert_eq!(asked.format == "long", right.len() == 12, "{right}");
            let wrong = if asked.format == "long" {
                "000000000000".to_owned()
            } else {
                wrong_code(&right)
            };
            for _ in 0..6 {
                let answer = self.try_code(path, &asked.challenge, &wrong).await;
                if answer.status == 429 {
                    break;
                }
                answer.assert_problem(401, "invalid_code");
                judged += usize::from(asked.format == "digits");
            }
        }
        (judged, sent)
    }
}

/// As a person types it from a letter.
fn as_typed(code: &str) -> String {
    let lower = code.to_lowercase().replace('0', "o").replace('1', "l");
    format!("{}-{} {}", &lower[..4], &lower[4..8], &lower[8..])
}

testkit::on_every_engine! {
    async fn in_sixty_days_a_stranger_guesses_a_hundred_passwords(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let nobody = app.fresh_email();
        let mut judged = [0, 0];
        for _ in 0..8 * DAYS {
            app.advance(Duration::hours(3));
            for (judged, identifier) in judged.iter_mut().zip([&person.identifier, &nobody]) {
                let answer = app.log_in(identifier, OTHER_PASSWORD).await;
                if answer.status == 401 {
                    *judged += 1;
                } else {
                    answer.assert_problem(429, "account_locked");
                }
            }
        }
        assert_eq!(judged, [HUNDRED, HUNDRED]);
        assert_eq!(app.notices_of_guessing(&person.identifier).await, 1);
        // The owner on a device that is not known: by code, and from then on by password.
        app.log_in(&person.identifier, PASSWORD).await.assert_problem(429, "account_locked");
        let asked = app.ask_for_code(LOGIN_OTP, &person.identifier).await;
        let code = app.newest_code(&person.identifier, 2).await;
        app.verify(&asked.challenge, &code).await.assert_status(200);
        app.log_in(&person.identifier, PASSWORD).await.assert_status(200);
    }

    async fn in_sixty_days_a_stranger_guesses_a_hundred_codes_to_sign_in(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let (judged, sent) = app.guess_codes_for_long(LOGIN_OTP, &person).await;
        assert_eq!(judged, HUNDRED);
        assert_eq!(app.notices_of_guessing(&person.identifier).await, 1);
        // The owner on a device that is not known, whatever the stranger tried today.
        app.advance(Duration::hours(8));
        let asked = app.ask_for_code(LOGIN_OTP, &person.identifier).await;
        assert_eq!(asked.format, "long");
        let code = app.newest_code(&person.identifier, sent + 1).await;
        app.verify(&asked.challenge, &as_typed(&code)).await.assert_status(200);
        app.advance(Duration::hours(1));
        let asked = app.ask_for_code(LOGIN_OTP, &person.identifier).await;
        assert_eq!(asked.format, "digits", "whoever is signed in ends the row");
    }

    async fn in_sixty_days_a_stranger_guesses_a_hundred_codes_of_resets(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let (judged, sent) = app.guess_codes_for_long(RESET, &person).await;
        assert_eq!(judged, HUNDRED);
        app.advance(Duration::hours(8));
        let asked = app.ask_for_code(RESET, &person.identifier).await;
        let code = app.newest_code(&person.identifier, sent + 1).await;
        app.try_code(RESET, &asked.challenge, &as_typed(&code)).await.assert_status(200);
        app.log_in(&person.identifier, OTHER_PASSWORD).await.assert_status(200);
        app.advance(Duration::hours(8));
        assert_eq!(app.ask_for_code(RESET, &person.identifier).await.format, "digits");
    }

    async fn a_closed_password_is_open_to_a_known_device_which_opens_it_for_all(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        app.close_password(&person.identifier).await;
        assert_eq!(app.notices_of_guessing(&person.identifier).await, 1, "told once");
        assert_eq!(app.audit_outcomes("session.guessing_stopped").await, ["success"]);
        for later in [0, 90] {
            app.advance(Duration::days(later));
            let locked = app.log_in(&person.identifier, PASSWORD).await;
            locked.assert_problem(429, "account_locked");
            assert_eq!(locked.header("retry-after"), Some("900"));
        }
        let known = app.log_in_from(&person.device_token, &person.identifier, PASSWORD).await;
        known.assert_status(200);
        app.log_in(&person.identifier, PASSWORD).await.assert_status(200);
    }

    async fn a_link_of_a_reset_opens_a_closed_password(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        app.log_in(&person.identifier, OTHER_PASSWORD).await.assert_status(401);
        app.set_in_a_row("sign_in_failures", HUNDRED).await;
        app.log_in(&person.identifier, PASSWORD).await.assert_problem(429, "account_locked");
        app.ask_for_code(RESET, &person.identifier).await;
        let mail = app.codes_to(&person.identifier, 2).await;
        let text = mail[0]["text"].as_str().unwrap();
        let (_, token) = text.split_once("#token=").unwrap();
        let token: String = token.chars().take_while(char::is_ascii_alphanumeric).collect();
        let body = json!({"token": token, "new_password": OTHER_PASSWORD});
        app.post(CONFIRM, &body).await.assert_status(200);
        app.log_in(&person.identifier, OTHER_PASSWORD).await.assert_status(200);
    }

    async fn a_passkey_opens_a_closed_password(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let passkey = app.enrol_passkey(&person).await;
        app.log_in(&person.identifier, OTHER_PASSWORD).await.assert_status(401);
        app.set_in_a_row("sign_in_failures", HUNDRED).await;
        app.log_in(&person.identifier, PASSWORD).await.assert_problem(429, "account_locked");
        let conduct = Conduct::at(passkeys::ORIGIN);
        app.sign_in_with(&passkey, &conduct).await.assert_status(200);
        app.log_in(&person.identifier, PASSWORD).await.assert_status(200);
    }

    /// Six digits that are out when the row is full count no more; a resend brings a long code for the same
    /// challenge, and a new challenge is told of what was sent.
    async fn six_digits_that_are_out_do_not_outlive_the_row(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        app.advance_seconds(61);
        let asked = app.ask_for_code(LOGIN_OTP, &person.identifier).await;
        let right = app.newest_code(&person.identifier, 2).await;
        app.verify(&asked.challenge, &wrong_code(&right)).await.assert_status(401);
        app.set_in_a_row("code_tries", HUNDRED - 1).await;
        app.verify(&asked.challenge, &wrong_code(&right)).await.assert_status(401);
        let closed = app.verify(&asked.challenge, &right).await;
        closed.assert_problem(429, "too_many_attempts");
        assert_eq!(closed.header("retry-after"), Some("60"));
        assert_eq!(app.ask_for_code(LOGIN_OTP, &person.identifier).await.format, "digits");
        app.advance_seconds(60);
        let body = json!({"challenge_id": asked.challenge});
        let again = app.post("/api/v1/auth/resend-otp", &body).await;
        assert_eq!(again.text_of("/format"), "long");
        assert_eq!(app.ask_for_code(LOGIN_OTP, &person.identifier).await.format, "long");
        let long = app.newest_code(&person.identifier, 3).await;
        assert_eq!(long.len(), 12);
        app.verify(&asked.challenge, &as_typed(&long)).await.assert_status(200);
    }

    /// A long code is bounded by its challenge alone, so that strangers' guesses close no owner out.
    async fn strangers_do_not_use_up_the_guesses_of_long_codes(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        app.advance_seconds(61);
        let asked = app.ask_for_code(LOGIN_OTP, &person.identifier).await;
        let right = app.newest_code(&person.identifier, 2).await;
        app.verify(&asked.challenge, &wrong_code(&right)).await.assert_status(401);
        app.set_in_a_row("code_tries", HUNDRED).await;
        app.advance_seconds(60);
        for _ in 0..10 {
            let strangers = app.ask_for_code(LOGIN_OTP, &person.identifier).await;
            for _ in 0..5 {
                app.verify(&strangers.challenge, "000000000000").await.assert_problem(401, "invalid_code");
            }
            app.verify(&strangers.challenge, "000000000000").await.assert_problem(429, "too_many_attempts");
        }
        let asked = app.ask_for_code(LOGIN_OTP, &person.identifier).await;
        let long = app.newest_code(&person.identifier, 3).await;
        app.verify(&asked.challenge, &long).await.assert_status(200);
    }

    /// A known device that guesses is counted apart, and comes to the same end.
    async fn a_known_device_has_its_own_row_of_codes(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        app.advance_seconds(61);
        let asked = app.ask_for_code(LOGIN_OTP, &person.identifier).await;
        let right = app.newest_code(&person.identifier, 2).await;
        app.verify(&asked.challenge, &wrong_code(&right)).await.assert_status(401);
        app.set_in_a_row("code_tries", HUNDRED).await;
        let from_device = |challenge: &str, code: &str| {
            let body = json!({"challenge_id": challenge, "code": code});
            let request = app.post_request("/api/v1/auth/verify-otp", &body);
            request.header("X-Device-Token", &person.device_token)
        };
        // Strangers filled their row: the owner's device is not held back by it, not even with six digits.
        app.verify(&asked.challenge, &right).await.assert_problem(429, "too_many_attempts");
        let wrong = from_device(&asked.challenge, &wrong_code(&right));
        app.send(wrong).await.assert_problem(401, "invalid_code");
        app.send(from_device(&asked.challenge, &right)).await.assert_status(200);

        app.advance_seconds(61);
        let asked = app.ask_for_code(LOGIN_OTP, &person.identifier).await;
        assert_eq!(asked.format, "digits", "the sign-in ended all rows");
        let right = app.newest_code(&person.identifier, 3).await;
        let wrong = from_device(&asked.challenge, &wrong_code(&right));
        app.send(wrong).await.assert_problem(401, "invalid_code");
        app.set_in_a_row("code_tries", HUNDRED).await;
        let closed = app.send(from_device(&asked.challenge, &right)).await;
        closed.assert_problem(429, "too_many_attempts");
        app.advance_seconds(60);
        assert_eq!(app.ask_for_code(LOGIN_OTP, &person.identifier).await.format, "long");
    }

    async fn codes_as_a_second_factor_become_long_too(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        let mut sent = app.codes_to(&it.person.identifier, 0).await.len();
        let verify = |challenge: &str, code: &str| -> Value {
            json!({"challenge_id": challenge, "method": "otp", "code": code})
        };
        let path = "/api/v1/auth/mfa/verify";
        for round in 0..=20 {
            app.advance(Duration::hours(3));
            let asked = app.log_in(&it.person.identifier, &it.person.password).await;
            let challenge = asked.text_of("/challenge_id");
            let otp = app.post("/api/v1/auth/mfa/otp", &json!({"challenge_id": challenge})).await;
            sent += 1;
            let right = app.newest_code(&it.person.identifier, sent).await;
            if round == 20 {
                assert_eq!(otp.text_of("/format"), "long");
                app.post(path, &verify(&challenge, &as_typed(&right))).await.assert_status(200);
                continue;
            }
            assert_eq!(otp.text_of("/format"), "digits");
            for _ in 0..5 {
                let answer = app.post(path, &verify(&challenge, &wrong_code(&right))).await;
                answer.assert_problem(401, "invalid_code");
            }
        }
        assert_eq!(app.notices_of_guessing(&it.person.identifier).await, 1);
        app.advance(Duration::hours(3));
        let asked = app.log_in(&it.person.identifier, &it.person.password).await;
        let challenge = asked.text_of("/challenge_id");
        let otp = app.post("/api/v1/auth/mfa/otp", &json!({"challenge_id": challenge})).await;
        assert_eq!(otp.text_of("/format"), "digits", "the sign-in was complete");
    }
}
