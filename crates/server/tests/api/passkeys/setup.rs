//! What the tests of passkeys have in common.

use serde_json::{Value, json};
use testkit::authenticator::{Conduct, SoftPasskey};

use crate::{
    answer::Answer,
    app::TestApp,
    person::{Person, Tokens},
};

/// The page that may ask.
pub(crate) const ORIGIN: &str = "https://auth.example.com";

/// A ceremony that somebody began to sign in.
pub(crate) struct Asked {
    pub(crate) challenge: String,
    pub(crate) options: Value,
}

/// An honest device on the right page.
pub(crate) fn honest() -> Conduct {
    Conduct::at(ORIGIN)
}

impl TestApp {
    /// Creation options for a person.
    pub(crate) async fn ask_to_enrol(&self, access: &str) -> Answer {
        self.post_as(access, "/api/v1/me/passkeys/options", &Value::Null)
            .await
    }

    /// Begins to enrol a passkey, and hands over the request that brings it.
    pub(crate) async fn next_passkey(&self, access: &str) -> reqwest::RequestBuilder {
        let asked = self.ask_to_enrol(access).await;
        asked.assert_status(200);
        let (_, credential) = SoftPasskey::create(&asked.data()["public_key"], &honest());
        self.post_request("/api/v1/me/passkeys", &json!({"credential": credential}))
            .bearer_auth(access)
    }

    /// Brings what a device answered to an enrolment.
    pub(crate) async fn bring_passkey(&self, access: &str, credential: &Value) -> Answer {
        let body = json!({"credential": credential, "name": "My phone"});
        self.post_as(access, "/api/v1/me/passkeys", &body).await
    }

    /// A passkey of a person, whose counter stands at 0.
    pub(crate) async fn enrol_passkey(&self, person: &Person) -> SoftPasskey {
        self.enrol_passkey_as(person, &honest()).await
    }

    /// [`Self::enrol_passkey`] on a device that does as it is told.
    pub(crate) async fn enrol_passkey_as(&self, person: &Person, conduct: &Conduct) -> SoftPasskey {
        let asked = self.ask_to_enrol(&person.tokens.access).await;
        asked.assert_status(200);
        let (passkey, credential) = SoftPasskey::create(&asked.data()["public_key"], conduct);
        let added = self.bring_passkey(&person.tokens.access, &credential).await;
        added.assert_status(201);
        passkey
    }

    /// Proves both factors with a passkey in the person's session, which goes on with the tokens of the answer: what
    /// changes the ways in asks for that once there is a passkey.
    pub(crate) async fn confirm_with(
        &self,
        person: &mut Person,
        passkey: &SoftPasskey,
        conduct: &Conduct,
    ) {
        let access = &person.tokens.access;
        let (proven, _) = self.prove_again_with(access, passkey, conduct).await;
        proven.assert_status(200);
        person.tokens = Tokens::of(&proven);
    }

    /// Begins to sign in with a passkey.
    pub(crate) async fn ask_for_passkey(&self) -> Asked {
        let path = "/api/v1/auth/passkey/options";
        let asked = self.send(self.request("POST", path)).await;
        asked.assert_status(200);
        Asked {
            challenge: asked.text_of("/challenge_id"),
            options: asked.data()["public_key"].clone(),
        }
    }

    /// Brings what a device answered.
    pub(crate) async fn answer_with_passkey(&self, challenge: &str, credential: &Value) -> Answer {
        let body = json!({"challenge_id": challenge, "credential": credential});
        self.post("/api/v1/auth/passkey/verify", &body).await
    }

    /// Signs in with a passkey on a device that does as it is told.
    pub(crate) async fn sign_in_with(&self, passkey: &SoftPasskey, conduct: &Conduct) -> Answer {
        let asked = self.ask_for_passkey().await;
        let credential = passkey.sign(&asked.options, conduct);
        self.answer_with_passkey(&asked.challenge, &credential)
            .await
    }

    /// Everybody is as if they had come through Google, and had gone from there: no password, and no address that
    /// they proved to us.
    pub(crate) async fn forget_passwords(&self) {
        for change in [
            "DELETE FROM password_credentials WHERE account_id IS NOT NULL",
            "UPDATE accounts SET sign_up_method = 'google' WHERE id IS NOT NULL",
        ] {
            self.database().execute(change).await;
        }
    }
}
