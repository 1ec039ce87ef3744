//! Everything that was handed out × everything that secures an account: nothing outlives it.
//!
//! The table of what makes an account another version is in `docs/sign-in-flows.md`.

use reqwest::{
    RequestBuilder,
    header::{AUTHORIZATION, HeaderMap},
};
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    app::TestApp,
    google::{Bed, LINK},
    grants::{Grant, Owner},
    identifier::token_in,
    person::{OTHER_PASSWORD, PASSWORD, Tokens},
};

/// What somebody holds who asked for it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outstanding {
    /// A sign-in of which the last request is left.
    SignIn(Grant),
    ResetCode,
    ResetLink,
    TotpEnrolment,
    PasskeyEnrolment,
    IdentifierChange,
    LinkNonce,
    ProofNonce,
}

use Outstanding::{
    IdentifierChange, LinkNonce, PasskeyEnrolment, ProofNonce, ResetCode, ResetLink, SignIn,
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
    pub(crate) const ALL: [Self; 15] = [
        SignIn(Grant::Code),
        ResetCode,
        ResetLink,
        SignIn(Grant::Google),
        SignIn(Grant::GoogleFlow),
        SignIn(Grant::Passkey),
        SignIn(Grant::SecondTotp),
        SignIn(Grant::SecondRecoveryCode),
        SignIn(Grant::SecondCode),
        SignIn(Grant::SecondPasskey),
        TotpEnrolment,
        PasskeyEnrolment,
        IdentifierChange,
        LinkNonce,
        ProofNonce,
    ];

    /// Whether its request needs an access token.
    const fn needs_session(self) -> bool {
        matches!(
            self,
            TotpEnrolment | PasskeyEnrolment | IdentifierChange | LinkNonce | ProofNonce
        )
    }

    /// Asks for it, and hands over the request that uses it.
    pub(crate) async fn ask(self, bed: &Bed, scene: &Scene) -> RequestBuilder {
        let app = &bed.app;
        let owner = &scene.owner;
        let (email, access) = (scene.identifier(), scene.access());
        let signed_in = |path: &str, body: &Value| app.post_request(path, body).bearer_auth(access);
        match self {
            SignIn(grant) => grant.prepare(bed, owner).await,
            ResetCode | ResetLink => {
                let (challenge, code) = app.reset_code_for(email).await;
                let message = &app.messages_about(email, "#token=").await[0];
                let body = if self == ResetCode {
                    json!({"challenge_id": challenge, "code": code, "new_password": "thief-Lantern-93-quarry"})
                } else {
                    json!({"token": token_in(message, "token"), "new_password": "thief-Lantern-93-quarry"})
                };
                app.post_request(RESET, &body)
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
pub(crate) struct Scene {
    owner: Owner,
    /// The address that they registered with.
    first: String,
}

impl Scene {
    pub(crate) async fn set(bed: &Bed) -> Self {
        let app = &bed.app;
        let mut owner = bed.owner().await;
        let first = owner.it.person.identifier.clone();
        // So that no later notice takes any of this back.
        app.advance(time::Duration::days(2));
        let request = Grant::SecondTotp.prepare(bed, &owner).await;
        let signed_in = app.send(request).await;
        signed_in.assert_status(200);
        owner.it.person.tokens = Tokens::of(&signed_in);
        app.advance_seconds(60);
        Self { owner, first }
    }

    fn identifier(&self) -> &str {
        &self.owner.it.person.identifier
    }

    pub(crate) fn access(&self) -> &str {
        &self.owner.it.person.tokens.access
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
            let changed = bed.app.change_identifier(scene.access(), &new).await;
            changed.assert_status(200);
            scene.owner.it.person.identifier = new;
        }
    }

    /// An enrolment of one kind is the only one of its session, or account: of these the act's own is the last.
    fn takes_the_place_of(self, outstanding: Outstanding) -> bool {
        matches!(
            (self, outstanding),
            (Self::AppReplaced, TotpEnrolment) | (Self::PasskeyAdded, PasskeyEnrolment)
        )
    }

    /// The access token of the session afterwards; none where every session ends.
    async fn happen(self, bed: &Bed, scene: &Scene) -> Option<String> {
        let app = &bed.app;
        let (first, access) = (&scene.first, scene.access());
        let done = match self {
            Self::PasswordChanged => {
                let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
                app.post_as(access, "/api/v1/auth/password/change", &body)
                    .await
            }
            Self::ResetByCode | Self::ResetByLink => {
                // In the cool-down of what is outstanding, so that it is the code of that, too.
                let body = json!({"identifier": scene.identifier()});
                let asked = app.post("/api/v1/auth/password/reset", &body).await;
                let message = &app.messages_about(scene.identifier(), "#token=").await[0];
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
        match self {
            Self::PasswordChanged | Self::AppReplaced => Some(Tokens::of(&done).access),
            Self::ResetByCode | Self::ResetByLink | Self::NotMe | Self::IdentifierUndone => None,
            _ => Some(access.to_owned()),
        }
    }

    /// Whether the answer refuses what is outstanding itself, and not the token that came with it.
    fn refuses(self, answer: &Answer, has_session: bool) -> bool {
        let code = answer.json()["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        match (answer.status.as_u16(), code.as_str()) {
            (401, "invalid_code" | "invalid_credentials") | (400, "invalid_state") => true,
            (401, "invalid_token") => !has_session,
            // The identity is no longer linked, and the address belongs to an account.
            (409, "account_exists_link_required") => {
                matches!(
                    self,
                    Self::GoogleUnlinked | Self::NotMe | Self::IdentifierUndone
                )
            }
            _ => false,
        }
    }

    /// Whoever has the account now, if it is the one who had it first.
    fn identifier_after(self, scene: &Scene) -> Option<&str> {
        match self {
            Self::IdentifierChanged => None,
            Self::IdentifierUndone => Some(&scene.first),
            _ => Some(scene.identifier()),
        }
    }
}

impl TestApp {
    /// Asks for a reset, and reads its code: in the cool-down that of the message before.
    async fn reset_code_for(&self, identifier: &str) -> (String, String) {
        let body = json!({"identifier": identifier});
        let asked = self.post("/api/v1/auth/password/reset", &body).await;
        asked.assert_status(202);
        let message = self.message_with(identifier, "#token=").await;
        let code = message["code"].as_str().unwrap().to_owned();
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
            let access = secures.happen(&bed, &scene).await;
            for (outstanding, mut request) in held {
                // With the session's current token: an earlier one would be refused for its own sake.
                if let Some(access) = access.as_ref().filter(|_| outstanding.needs_session()) {
                    let bearer = format!("Bearer {access}").parse().unwrap();
                    request = request.headers(HeaderMap::from_iter([(AUTHORIZATION, bearer)]));
                }
                let answer = app.send(request).await;
                let refused = secures.refuses(&answer, access.is_some());
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
