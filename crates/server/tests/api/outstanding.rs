//! Everything that was handed out × everything that secures an account: nothing outlives it.
//!
//! The table of what makes an account another version is in `docs/sign-in-flows.md`.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::{
    app::TestApp,
    google::{Bed, CALLBACK, LINK, SIGN_IN},
    grants::Owner,
    identifier::token_in,
    passkeys::honest,
    person::{OTHER_PASSWORD, PASSWORD, Tokens},
};

/// What somebody holds who asked for it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outstanding {
    SignInCode,
    ResetCode,
    ResetLink,
    GoogleNonce,
    GoogleFlow,
    Passkey,
    SecondTotp,
    SecondRecoveryCode,
    SecondCode,
    SecondPasskey,
    TotpEnrolment,
    PasskeyEnrolment,
    IdentifierChange,
    LinkNonce,
    ProofNonce,
}

use Outstanding::{
    GoogleFlow, GoogleNonce, IdentifierChange, LinkNonce, Passkey, PasskeyEnrolment, ProofNonce,
    ResetCode, ResetLink, SecondCode, SecondPasskey, SecondRecoveryCode, SecondTotp, SignInCode,
    TotpEnrolment,
};

/// What an owner, or support, does when somebody else may hold something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Secures {
    PasswordChanged,
    ResetByCode,
    ResetByLink,
    NotMe,
    IdentifierChanged,
    IdentifierUndone,
    AppReplaced,
    AppRemoved,
    RecoveryCodesRenewed,
    PasskeyAdded,
    PasskeyRemoved,
    GoogleUnlinked,
}

impl Outstanding {
    const ALL: [Self; 15] = [
        SignInCode,
        ResetCode,
        ResetLink,
        GoogleNonce,
        GoogleFlow,
        Passkey,
        SecondTotp,
        SecondRecoveryCode,
        SecondCode,
        SecondPasskey,
        TotpEnrolment,
        PasskeyEnrolment,
        IdentifierChange,
        LinkNonce,
        ProofNonce,
    ];

    /// Asks for it, and hands over the request that uses it.
    async fn ask(self, bed: &Bed, scene: &Scene) -> RequestBuilder {
        let app = &bed.app;
        let (email, access) = (&scene.identifier, &scene.tokens.access);
        let owner = &scene.owner;
        let signed_in = |path: &str, body: &Value| app.post_request(path, body).bearer_auth(access);
        match self {
            SignInCode => {
                let (challenge, code) = app.code_for("/api/v1/auth/login/otp", email).await;
                let body = json!({"challenge_id": challenge, "code": code});
                app.post_request("/api/v1/auth/verify-otp", &body)
            }
            ResetCode | ResetLink => {
                let (challenge, code) = app.code_for("/api/v1/auth/password/reset", email).await;
                let message = &app.messages_about(email, "#token=").await[0];
                let body = if self == ResetCode {
                    json!({"challenge_id": challenge, "code": code, "new_password": "thief-Lantern-93-quarry"})
                } else {
                    json!({"token": token_in(message, "token"), "new_password": "thief-Lantern-93-quarry"})
                };
                app.post_request(RESET, &body)
            }
            GoogleNonce => {
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
            SecondTotp => scene.second(app, "totp", &owner.it.code(app)).await,
            SecondRecoveryCode => {
                let code = &owner.it.recovery_codes[0];
                scene.second(app, "recovery_code", code).await
            }
            SecondCode => {
                let challenge = scene.challenge(app).await;
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
                let challenge = scene.challenge(app).await;
                let body = json!({"challenge_id": challenge});
                let path = "/api/v1/auth/mfa/webauthn/options";
                let asked = app.post(path, &body).await;
                let options = &asked.data()["public_key"];
                let credential = owner.passkey.sign(options, &honest());
                let body = json!({"challenge_id": challenge, "credential": credential});
                app.post_request("/api/v1/auth/mfa/webauthn/verify", &body)
            }
            TotpEnrolment => app.next_totp(access).await,
            PasskeyEnrolment => app.next_passkey(access).await,
            IdentifierChange => {
                let new = app.fresh_email();
                let challenge = app.ask_to_change(access, &new).await;
                challenge.assert_status(202);
                let code = app.code_sent_to(&new).await;
                let body =
                    json!({"challenge_id": challenge.text_of("/challenge_id"), "code": code});
                signed_in("/api/v1/me/identifier/confirm", &body)
            }
            LinkNonce => signed_in(LINK, &bed.proof_in(access, &owner.subject, email).await),
            ProofNonce => {
                let proof = bed.proof_in(access, &owner.subject, email).await;
                signed_in("/api/v1/auth/reauthenticate", &proof)
            }
        }
    }
}

const RESET: &str = "/api/v1/auth/password/reset/confirm";

/// An account with every way in, and its owner at a session of this moment.
struct Scene {
    owner: Owner,
    /// Whatever it is by now.
    identifier: String,
    tokens: Tokens,
}

impl Scene {
    async fn set(bed: &Bed) -> Self {
        let app = &bed.app;
        let owner = bed.owner().await;
        // What is taken back by a notice of later on is nothing of all this.
        app.advance(time::Duration::days(2));
        let mut scene = Self {
            identifier: owner.it.person.identifier.clone(),
            tokens: owner.it.person.tokens.clone(),
            owner,
        };
        let code = scene.owner.it.code(app);
        let signed_in = app.send(scene.second(app, "totp", &code).await).await;
        signed_in.assert_status(200);
        scene.tokens = Tokens::of(&signed_in);
        app.advance_seconds(60);
        scene
    }

    async fn challenge(&self, app: &TestApp) -> String {
        let asked = app.log_in(&self.identifier, PASSWORD).await;
        assert_eq!(asked.data()["status"], "mfa_required", "{asked:?}");
        asked.text_of("/challenge_id")
    }

    async fn second(&self, app: &TestApp, method: &str, code: &str) -> RequestBuilder {
        let challenge = self.challenge(app).await;
        let body = json!({"challenge_id": challenge, "method": method, "code": code});
        app.post_request("/api/v1/auth/mfa/verify", &body)
    }
}

impl Secures {
    const ALL: [Self; 12] = [
        Self::PasswordChanged,
        Self::ResetByCode,
        Self::ResetByLink,
        Self::NotMe,
        Self::IdentifierChanged,
        Self::IdentifierUndone,
        Self::AppReplaced,
        Self::AppRemoved,
        Self::RecoveryCodesRenewed,
        Self::PasskeyAdded,
        Self::PasskeyRemoved,
        Self::GoogleUnlinked,
    ];

    /// What has to be there before anything is asked for.
    async fn prepare(self, bed: &Bed, scene: &mut Scene) {
        if self == Self::IdentifierUndone {
            let new = bed.app.fresh_email();
            let changed = bed.app.change_identifier(&scene.tokens.access, &new).await;
            changed.assert_status(200);
            scene.identifier = new;
        }
    }

    /// An enrolment of one kind is the only one of its session, or account: of these the act's own is the last.
    fn takes_the_place_of(self, outstanding: Outstanding) -> bool {
        matches!(
            (self, outstanding),
            (Self::AppReplaced, TotpEnrolment) | (Self::PasskeyAdded, PasskeyEnrolment)
        )
    }

    async fn happen(self, bed: &Bed, scene: &Scene) {
        let app = &bed.app;
        let access = &scene.tokens.access;
        let first = &scene.owner.it.person.identifier;
        let done = match self {
            Self::PasswordChanged => {
                let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
                app.post_as(access, "/api/v1/auth/password/change", &body)
                    .await
            }
            Self::ResetByCode | Self::ResetByLink => {
                // In the cool-down of what is outstanding, so that it is the code of that, too.
                let body = json!({"identifier": scene.identifier});
                let asked = app.post("/api/v1/auth/password/reset", &body).await;
                let message = &app.messages_about(&scene.identifier, "#token=").await[0];
                let body = if self == Self::ResetByCode {
                    json!({
                        "challenge_id": asked.text_of("/challenge_id"), "code": message["code"],
                        "new_password": OTHER_PASSWORD,
                    })
                } else {
                    json!({"token": token_in(message, "token"), "new_password": OTHER_PASSWORD})
                };
                app.post(RESET, &body).await
            }
            Self::NotMe => {
                let notice = app.message_with(first, "new device").await;
                app.not_me(&token_in(&notice, "not-me")).await
            }
            Self::IdentifierChanged => app.change_identifier(access, &app.fresh_email()).await,
            Self::IdentifierUndone => {
                let notice = app.message_with(first, "#undo=").await;
                let body = json!({"token": token_in(&notice, "undo")});
                app.post("/api/v1/auth/identifier/undo", &body).await
            }
            Self::AppReplaced => app.send(app.next_totp(access).await).await,
            Self::AppRemoved => app.delete_as(access, "/api/v1/me/mfa/totp").await,
            Self::RecoveryCodesRenewed => {
                app.post_as(access, "/api/v1/me/mfa/recovery-codes", &Value::Null)
                    .await
            }
            Self::PasskeyAdded => app.send(app.next_passkey(access).await).await,
            Self::PasskeyRemoved => {
                let passkeys = app.get_as(access, "/api/v1/me/passkeys").await;
                let path = format!("/api/v1/me/passkeys/{}", passkeys.text_of("/items/0/id"));
                app.delete_as(access, &path).await
            }
            Self::GoogleUnlinked => app.delete_as(access, LINK).await,
        };
        assert!(done.status.is_success(), "{self:?}: {done:?}");
    }

    /// Whoever has the account now, if it is the one who had it first.
    fn identifier_after(self, scene: &Scene) -> Option<&str> {
        match self {
            Self::IdentifierChanged => None,
            Self::IdentifierUndone => Some(&scene.owner.it.person.identifier),
            _ => Some(&scene.identifier),
        }
    }
}

impl TestApp {
    /// Asks for a code to an identifier, and reads it.
    async fn code_for(&self, path: &str, identifier: &str) -> (String, String) {
        let about = if path.ends_with("reset") {
            "#token="
        } else {
            "sign"
        };
        let before = self.codes_to(identifier, 0).await.len();
        let asked = self.post(path, &json!({"identifier": identifier})).await;
        asked.assert_status(202);
        let sent = self.messages_about(identifier, about).await;
        let earlier = sent.into_iter().find(|it| !it["code"].is_null());
        // In its cool-down nothing new is sent.
        let code = match earlier.filter(|_| about == "#token=") {
            Some(message) => message["code"].as_str().unwrap().to_owned(),
            None => self.nth_code_sent_to(identifier, before + 1).await,
        };
        (asked.text_of("/challenge_id"), code)
    }
}

testkit::on_every_engine! {
    /// The preparation is right: as long as nothing happens, each of them counts.
    async fn what_is_outstanding_counts_while_the_account_is_what_it_was(engine: Engine) {
        let bed = Bed::start(engine).await;
        for outstanding in Outstanding::ALL {
            let scene = Box::pin(Scene::set(&bed)).await;
            let request = outstanding.ask(&bed, &scene).await;
            let answer = bed.app.send(request).await;
            assert!(answer.status.is_success(), "{outstanding:?}: {answer:?}");
        }
    }

    async fn nothing_outstanding_outlives_what_secures_the_account(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        for secures in Secures::ALL {
            let mut scene = Box::pin(Scene::set(&bed)).await;
            secures.prepare(&bed, &mut scene).await;
            let mut held = Vec::new();
            for outstanding in Outstanding::ALL {
                if !secures.takes_the_place_of(outstanding) {
                    held.push((outstanding, outstanding.ask(&bed, &scene).await));
                }
            }
            secures.happen(&bed, &scene).await;
            for (outstanding, request) in held {
                let answer = app.send(request).await;
                let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
                let refused = matches!(
                    (answer.status.as_u16(), code.as_str()),
                    (401, "invalid_code" | "invalid_credentials" | "invalid_token")
                        | (400, "invalid_state")
                        // The identity opens nothing any more, and the address is somebody's.
                        | (409, "account_exists_link_required")
                );
                assert!(refused, "{outstanding:?} before {secures:?}: {answer:?}");
            }
            // What is asked for now works at once: no cool-down, and no older challenge, is in its way.
            if let Some(identifier) = secures.identifier_after(&scene) {
                let before = app.codes_to(identifier, 0).await.len();
                let body = json!({"identifier": identifier});
                let asked = app.post("/api/v1/auth/login/otp", &body).await;
                asked.assert_status(202);
                let code = app.nth_code_sent_to(identifier, before + 1).await;
                let answer = app.verify(&asked.text_of("/challenge_id"), &code).await;
                answer.assert_status(200);
            }
        }
    }
}
