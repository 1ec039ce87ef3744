//! The request that is left of each act.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::{
    Act, GoogleLink, GoogleUnlink, IdentifierChange, IdentifierUndo, LogOutAll, NotMe, PasskeyAdd,
    PasskeyRemove, PasswordChange, ProveByPassword, ProveByRecoveryCode, RecoveryCodes,
    ResetByCode, ResetByLink, Scene, TotpConfirm, TotpRemove, Two,
};
use crate::{
    app::TestApp,
    google::LINK,
    identifier::token_in,
    person::{OTHER_PASSWORD, PASSWORD},
};

impl Two {
    /// Does all that comes before an act, and hands over the request that is left, to this node.
    pub(super) async fn prepare(&self, act: Act, node: &TestApp, scene: &Scene) -> RequestBuilder {
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
            ProveByPassword => {
                let body = json!({"password": PASSWORD});
                post("/api/v1/auth/reauthenticate", &body).bearer_auth(access)
            }
            ProveByRecoveryCode => {
                let body = json!({"method": "recovery_code", "code": scene.recovery_code});
                post("/api/v1/auth/reauthenticate", &body).bearer_auth(access)
            }
            LogOutAll => node
                .request("POST", "/api/v1/auth/logout-all")
                .bearer_auth(access),
        }
    }
}
