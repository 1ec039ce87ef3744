//! Passkeys, with every wrong turn.

use serde_json::{Value, json};
use testkit::authenticator::{Conduct, SoftPasskey};

use super::{run::Run, secrets::Kind};
use crate::{passkeys::ORIGIN, person::Tokens};

impl Run {
    pub(crate) async fn using_passkeys(&self) {
        let person = self.somebody().await;
        let (access, passkeys) = (&person.tokens.access, "/api/v1/me/passkeys");
        let options = format!("{passkeys}/options");
        let asked = self.send_as(access, "POST", &options, Value::Null).await;
        let conduct = Conduct::at(ORIGIN);
        let (passkey, credential) = SoftPasskey::create(&asked.data()["public_key"], &conduct);
        for part in ["id", "/response/attestationObject"] {
            let text = credential.get(part).or_else(|| credential.pointer(part));
            self.secrets.note(
                Kind::Unique,
                "of a passkey",
                text.and_then(Value::as_str).unwrap(),
            );
        }
        let body = json!({"credential": credential, "name": self.name()});
        let added = self.send_as(access, "POST", passkeys, body.clone()).await;
        added.assert_status(201);
        self.send_as(access, "POST", passkeys, body)
            .await
            .assert_problem(403, "reauthentication_required");
        let path = format!("{passkeys}/{}", added.text_of("/id"));
        self.send_as(access, "PATCH", &path, json!({"name": self.name()}))
            .await
            .assert_status(200);
        let mut proven = None;
        for (origin, status) in [(ORIGIN, 200), ("https://evil.example", 401)] {
            let path = "/api/v1/auth/passkey/options";
            let asked = self.send(self.request("POST", path)).await;
            let credential = passkey.sign(&asked.data()["public_key"], &Conduct::at(origin));
            let body = json!({
                "challenge_id": asked.text_of("/challenge_id"), "credential": credential,
            });
            let answer = self.post("/api/v1/auth/passkey/verify", body).await;
            answer.assert_status(status);
            proven = proven.or_else(|| (status == 200).then(|| Tokens::of(&answer)));
        }
        // With a passkey set up, what changes ways in asks for it.
        let access = &proven.unwrap().access;
        self.send_as(access, "DELETE", &path, Value::Null)
            .await
            .assert_status(200);
        self.look_into_redis();
    }
}
