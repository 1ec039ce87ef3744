//! People.

use authentication_app::{
    Awaited, RequestContext,
    accounts::Register,
    challenges::{IssuedChallenge, Proven, VerifyCode},
    ports::SessionSnapshot,
    sessions::{LogIn, LogInError, SignInAnswer, SignedIn},
};
use authentication_domain::{
    accounts::{AccountId, Identifier},
    challenges::OneTimeCode,
    credentials::PlainPassword,
    opaque_token::OpaqueToken,
    profiles::Profile,
    sessions::DeviceToken,
};
use common::access::Role;
use secrecy::ExposeSecret as _;

use super::{Bed, request};

pub(crate) const PASSWORD: &str = "lilac-Harbour-42-zeppelin";
pub(crate) const NEW_PASSWORD: &str = "copper-Meadow-77-obelisk";

/// Somebody who is signed in.
pub(crate) struct Person {
    pub(crate) account: AccountId,
    pub(crate) signed_in: SignedIn,
}

pub(crate) fn email(text: &str) -> Identifier {
    Identifier::parse(text).unwrap()
}

pub(crate) fn password(text: &str) -> PlainPassword {
    PlainPassword::from_typed(&text.into()).unwrap()
}

/// The proof of a code that was sent.
pub(crate) fn right_code(challenge: &IssuedChallenge, code: &str) -> VerifyCode {
    VerifyCode {
        challenge: OpaqueToken::from_client(challenge.challenge_id.clone()).unwrap(),
        code: OneTimeCode::parse(code).unwrap(),
    }
}

/// The proof of another code than the one that was sent.
pub(crate) fn wrong_code(challenge: &IssuedChallenge, code: &str) -> VerifyCode {
    let other = (code.parse::<u32>().unwrap() + 1) % 1_000_000;
    right_code(challenge, &format!("{other:06}"))
}

impl Bed {
    pub(crate) async fn ask_to_register(&self, email: &str) -> IssuedChallenge {
        let register = Register {
            identifier: super::email(email),
            password: password(PASSWORD),
            role: Role::Client,
            profile: Profile::default(),
        };
        self.accounts
            .register(register, None, &request())
            .await
            .unwrap()
    }

    /// The newest code that went to somebody.
    pub(crate) async fn code_sent_to(&self, to: &str) -> String {
        self.deliver().await;
        self.sender.codes_sent_to(to).pop().unwrap()
    }

    pub(crate) async fn register(&self, email: &'static str) -> Person {
        let challenge = self.ask_to_register(email).await;
        let code = self.code_sent_to(email).await;
        let proof = right_code(&challenge, &code);
        let Ok(Proven::Registered(signed_in)) = self.challenges.verify(&proof, &request()).await
        else {
            panic!("the code is right and nobody has the address")
        };
        Person {
            account: signed_in.account.account.id,
            signed_in: *signed_in,
        }
    }

    pub(crate) async fn log_in(
        &self,
        email: &str,
        password: &str,
        ctx: &RequestContext,
    ) -> Result<SignedIn, LogInError> {
        let command = LogIn {
            window: None,
            identifier: super::email(email),
            password: super::password(password),
        };
        match self.sessions.log_in(&command, ctx).await? {
            SignInAnswer::Authenticated(signed_in) => Ok(*signed_in),
            SignInAnswer::SecondFactorRequired(_) => panic!("nobody here has a second factor"),
        }
    }

    /// The session as a request finds it; `None` when it is not live.
    pub(crate) async fn session_of(&self, signed_in: &SignedIn) -> Option<SessionSnapshot> {
        let token = signed_in.tokens.access_token.expose_secret();
        self.sessions.authenticate(token).await.ok()
    }

    pub(crate) async fn set_status(&self, person: &Person, status: &str) {
        let id = person.account.as_uuid().simple().to_string().to_uppercase();
        self.database
            .execute(&format!(
                "UPDATE accounts SET status = '{status}', status_since = 1 WHERE hex(id) = '{id}'"
            ))
            .await;
        self.base.liveness.forget().await;
    }
}

impl Person {
    /// A request from the device that they signed in from.
    pub(crate) fn request(&self) -> RequestContext {
        RequestContext {
            device_token: DeviceToken::parse(self.signed_in.device_token.expose_secret()),
            may_send: true,
            awaited: Awaited::default(),
            ..request()
        }
    }
}
