//! One gate before every way of getting a token: whose account is closed gets none, whatever they prove.

use reqwest::RequestBuilder;
use serde_json::json;
use testkit::authenticator::SoftPasskey;

use crate::{
    answer::Answer,
    google::{Bed, CALLBACK, SIGN_IN},
    identifier::token_in,
    passkeys::honest,
    person::{OTHER_PASSWORD, PASSWORD},
    second_factors::Secured,
};

/// Every request that hands tokens over, or a sign-in that waits for a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grant {
    Password,
    Code,
    Google,
    GoogleFlow,
    Passkey,
    SecondTotp,
    SecondRecoveryCode,
    SecondCode,
    SecondPasskey,
    Refresh,
    Reauthentication,
}

use Grant::{
    Code, Google, GoogleFlow, Passkey, Password, Reauthentication, Refresh, SecondCode,
    SecondPasskey, SecondRecoveryCode, SecondTotp,
};

/// Somebody who has every way in.
pub(crate) struct Owner {
    pub(crate) it: Secured,
    pub(crate) passkey: SoftPasskey,
    /// At Google.
    pub(crate) subject: String,
}

impl Bed {
    pub(crate) async fn owner(&self) -> Owner {
        let person = self.app.register_person().await;
        let subject = person.id.clone();
        let (access, email) = (&person.tokens.access, &person.identifier);
        // At Google first: linking is for whoever read the account as it is.
        self.link(access, &subject, email).await.assert_status(200);
        let it = self.app.secure(person).await;
        let passkey = self.app.enrol_passkey(&it.person).await;
        self.app.advance_seconds(1);
        Owner {
            it,
            passkey,
            subject,
        }
    }
}

impl Grant {
    const ALL: [Self; 11] = [
        Password,
        Code,
        Google,
        GoogleFlow,
        Passkey,
        SecondTotp,
        SecondRecoveryCode,
        SecondCode,
        SecondPasskey,
        Refresh,
        Reauthentication,
    ];

    /// Does all that comes before, and hands over the request that is left.
    pub(crate) async fn prepare(self, bed: &Bed, owner: &Owner) -> RequestBuilder {
        let app = &bed.app;
        let person = &owner.it.person;
        let email = &person.identifier;
        let second = async |method: &str, code: String| {
            let challenge = app.challenge_of(person).await;
            let body = json!({"challenge_id": challenge, "method": method, "code": code});
            app.post_request("/api/v1/auth/mfa/verify", &body)
        };
        match self {
            Password => app.post_request("/api/v1/auth/login", &person.credentials()),
            Code => {
                let before = app.codes_to(email, 0).await.len();
                let body = json!({"identifier": email});
                let begun = app.post("/api/v1/auth/login/otp", &body).await;
                let code = app.nth_code_sent_to(email, before + 1).await;
                let body = json!({"challenge_id": begun.text_of("/challenge_id"), "code": code});
                app.post_request("/api/v1/auth/verify-otp", &body)
            }
            Google => {
                let claims = bed.claims(&owner.subject, email).await;
                app.post_request(SIGN_IN, &json!({"id_token": bed.double.token(&claims)}))
            }
            GoogleFlow => {
                let begun = bed.begin().await;
                bed.give(&begun, &owner.subject, &owner.subject, email);
                app.post_request(CALLBACK, &begun.body(&owner.subject))
            }
            Passkey => {
                let asked = app.ask_for_passkey().await;
                let credential = owner.passkey.sign(&asked.options, &honest());
                let body = json!({"challenge_id": asked.challenge, "credential": credential});
                app.post_request("/api/v1/auth/passkey/verify", &body)
            }
            SecondTotp => second("totp", owner.it.code(app)).await,
            SecondRecoveryCode => second("recovery_code", owner.it.recovery_codes[0].clone()).await,
            SecondCode => {
                let challenge = app.challenge_of(person).await;
                let before = app.codes_to(email, 0).await.len();
                let asked = json!({"challenge_id": challenge});
                app.post("/api/v1/auth/mfa/otp", &asked)
                    .await
                    .assert_status(202);
                let code = app.nth_code_sent_to(email, before + 1).await;
                let body = json!({"challenge_id": challenge, "method": "otp", "code": code});
                app.post_request("/api/v1/auth/mfa/verify", &body)
            }
            SecondPasskey => {
                let asked = app.ask_for_second_passkey(person).await;
                let credential = owner.passkey.sign(&asked.options, &honest());
                let body = json!({"challenge_id": asked.challenge, "credential": credential});
                app.post_request("/api/v1/auth/mfa/webauthn/verify", &body)
            }
            Refresh => {
                let body = json!({"refresh_token": person.tokens.refresh});
                app.post_request("/api/v1/auth/token/refresh", &body)
            }
            Reauthentication => app
                .post_request(
                    "/api/v1/auth/reauthenticate",
                    &json!({"password": PASSWORD}),
                )
                .bearer_auth(&person.tokens.access),
        }
    }
}

/// A code and a status; none where it passes.
type Refusal = Option<(u16, &'static str)>;

#[track_caller]
fn assert_is(answer: &Answer, expected: Refusal, grant: Grant) {
    let Some((status, code)) = expected else {
        assert_eq!(answer.status, 200, "{grant:?}: {answer:?}");
        return;
    };
    assert_eq!(answer.status.as_u16(), status, "{grant:?}: {answer:?}");
    assert_eq!(answer.json()["code"], code, "{grant:?}: {answer:?}");
    assert!(answer.json().get("data").is_none(), "{grant:?}: {answer:?}");
}

testkit::on_every_engine! {
    /// The preparation is right: without a closed account every one of them passes.
    async fn an_open_account_passes(engine: Engine) {
        let bed = Bed::start(engine).await;
        for grant in Grant::ALL {
            let request = grant.prepare(&bed, &bed.owner().await).await;
            assert_is(&bed.app.send(request).await, None, grant);
        }
    }

    async fn a_closed_account_gets_no_token_whatever_is_proven(engine: Engine) {
        let bed = Bed::start(engine).await;
        for status in ["suspended", "deleted", "pending"] {
            for grant in Grant::ALL {
                let owner = bed.owner().await;
                let request = grant.prepare(&bed, &owner).await;
                bed.app.set_account_status(&owner.it.person.id, status).await;
                let counts = async || {
                    (bed.app.count("sessions").await, bed.app.count("pending_sign_ins").await)
                };
                let before = counts().await;
                let expected = match grant {
                    // Who proves an account theirs learns that it is suspended, and of no other state.
                    Password | Code | Google | GoogleFlow | Passkey if status == "suspended" => (403, "account_suspended"),
                    Password | Google | GoogleFlow => (401, "invalid_credentials"),
                    Code | Passkey | SecondTotp | SecondRecoveryCode | SecondCode | SecondPasskey => (401, "invalid_code"),
                    Refresh => (401, "invalid_refresh_token"),
                    Reauthentication => (401, "invalid_token"),
                };
                assert_is(&bed.app.send(request).await, Some(expected), grant);
                assert_eq!(counts().await, before, "{grant:?}, {status}");
            }
        }
    }

    /// T45: strangers who guess close the password to those who are not known, and nothing else.
    async fn guesses_of_strangers_close_the_password_alone(engine: Engine) {
        let bed = Bed::start(engine).await;
        for grant in Grant::ALL {
            let owner = bed.owner().await;
            let request = grant.prepare(&bed, &owner).await;
            for _ in 0..5 {
                let email = &owner.it.person.identifier;
                bed.app.log_in(email, OTHER_PASSWORD).await.assert_problem(401, "invalid_credentials");
            }
            let expected = (grant == Password).then_some((429, "account_locked"));
            assert_is(&bed.app.send(request).await, expected, grant);
        }
    }

    /// After "this was not me" neither the password opens anything, nor what was begun with it or sent before, nor
    /// what came since the notice.
    async fn a_secured_account_is_open_to_its_mailbox_alone(engine: Engine) {
        let bed = Bed::start(engine).await;
        for grant in Grant::ALL {
            let owner = bed.owner().await;
            let request = grant.prepare(&bed, &owner).await;
            let notice = bed.app.message_with(&owner.it.person.identifier, "an authenticator app").await;
            bed.app.not_me(&token_in(&notice, "not-me")).await.assert_status(200);
            let expected = match grant {
                Password => Some((401, "invalid_credentials")),
                Google | GoogleFlow => Some((409, "account_exists_link_required")),
                Refresh => Some((401, "invalid_refresh_token")),
                Reauthentication => Some((401, "invalid_token")),
                _ => Some((401, "invalid_code")),
            };
            assert_is(&bed.app.send(request).await, expected, grant);
        }
    }
}
