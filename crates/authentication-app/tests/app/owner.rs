//! Somebody with more than one way in.

use std::sync::Arc;

use async_trait::async_trait;
use authentication_app::{
    Repeatable,
    accounts::ConfirmIdentifier,
    federation::{Federation, FederationPolicy, LinkIdentity},
    mfa::Mfa,
    passkeys::{Enrol, Passkeys},
    ports::{
        AttestationAnswer, AuthorizationRequest, CodeGrant, IdentityProvider, ProviderError,
        ProviderRefusal, SessionSnapshot,
    },
};
use authentication_domain::{
    federation::{AdmissionRules, ExternalIdentity, IdentityClaims, ProviderName},
    passkeys::PasskeyId,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use testkit::authenticator::{Conduct, SoftPasskey};
use totp_rs::{Builder, Secret};

use crate::bed::{Bed, Person, email, request, right_code};

const ADA: &str = "ada@example.com";
const NEW: &str = "ada@example.org";

/// Vouches for whoever brings a nonce for an ID token.
struct Credulous;

#[async_trait]
impl IdentityProvider for Credulous {
    async fn authorization_url(
        &self,
        _: &AuthorizationRequest<'_>,
    ) -> Result<String, ProviderError> {
        Err(ProviderRefusal::Code.into())
    }

    async fn redeem(&self, _: &CodeGrant<'_>) -> Result<IdentityClaims, ProviderError> {
        Err(ProviderRefusal::Code.into())
    }

    async fn verify(&self, id_token: &SecretString) -> Result<IdentityClaims, ProviderError> {
        Ok(IdentityClaims {
            identity: ExternalIdentity::new("https://id.example", "1").unwrap(),
            nonce: Some(id_token.expose_secret().to_owned()),
            email: Some(ADA.to_owned()),
            email_verified: Some(true),
            hosted_domain: None,
            name: None,
            given_name: None,
            family_name: None,
            locale: None,
        })
    }
}

/// Somebody with an authenticator app, and the use cases that change ways in.
pub(crate) struct Owner {
    pub(crate) bed: Bed,
    pub(crate) person: Person,
    pub(crate) mfa: Mfa,
    pub(crate) passkeys: Passkeys,
    pub(crate) federation: Federation,
}

fn policy() -> FederationPolicy {
    FederationPolicy {
        name: ProviderName::GOOGLE,
        label: "Google".to_owned(),
        redirect_uris: Vec::new(),
        admission: AdmissionRules::default(),
    }
}

impl Owner {
    pub(crate) async fn start() -> Self {
        let bed = Bed::start().await;
        let person = bed.register(ADA).await;
        let base = &bed.base;
        let provider = Arc::new(Credulous);
        let mut owner = Self {
            mfa: Mfa::new(Arc::clone(base)),
            passkeys: Passkeys::new(Arc::clone(base)),
            federation: Federation::new(Arc::clone(base), provider, policy()),
            person,
            bed,
        };
        let who = owner.session().await;
        let code = owner.code_of_a_new_app(&who).await;
        let confirmed = owner
            .mfa
            .confirm_totp(&who, &code, Repeatable::default(), &request())
            .await
            .unwrap();
        // Those from before are dead.
        owner.person.signed_in.tokens = confirmed.tokens;
        owner
    }

    pub(crate) async fn session(&self) -> SessionSnapshot {
        self.bed.session_of(&self.person.signed_in).await.unwrap()
    }

    /// The code of an app that was shown a secret a moment ago.
    pub(crate) async fn code_of_a_new_app(&self, who: &SessionSnapshot) -> SecretString {
        let shown = self.mfa.begin_totp(who).await.unwrap();
        let secret = Secret::try_from_base32(shown.secret.expose_secret()).unwrap();
        let app = Builder::new().with_secret(secret).build().unwrap();
        let now = self.bed.base.clock.now().unix_timestamp();
        app.generate(now.try_into().unwrap()).to_string().into()
    }

    /// What a device answered that was asked for a passkey.
    pub(crate) async fn new_passkey(&self, who: &SessionSnapshot) -> Enrol {
        let options = self.passkeys.begin_enrolment(who).await.unwrap();
        let (_, credential) = SoftPasskey::create(&options, &Conduct::at("http://localhost:8080"));
        let bytes = |pointer: &str| {
            let text = credential.pointer(pointer).and_then(Value::as_str).unwrap();
            URL_SAFE_NO_PAD.decode(text).unwrap()
        };
        Enrol {
            answer: AttestationAnswer {
                credential_id: bytes("/rawId"),
                client_data: bytes("/response/clientDataJSON"),
                attestation_object: bytes("/response/attestationObject"),
                transports: Vec::new(),
            },
            name: None,
        }
    }

    pub(crate) async fn enrolled_passkey(&self) -> PasskeyId {
        let who = self.session().await;
        let enrol = self.new_passkey(&who).await;
        self.passkeys
            .enrol(&who, &enrol, &request())
            .await
            .unwrap()
            .id
    }

    pub(crate) async fn id_token(&self) -> LinkIdentity {
        let who = self.session().await;
        let ctx = request();
        let nonce = self.federation.issue_nonce_in_session(&who, &ctx).await;
        let nonce = nonce.unwrap();
        LinkIdentity {
            id_token: nonce.expose().into(),
        }
    }

    pub(crate) async fn linked(&self) {
        let (who, command) = (self.session().await, self.id_token().await);
        self.federation
            .link(&who, &command, &request())
            .await
            .unwrap();
    }

    pub(crate) async fn change_of_identifier(&self, who: &SessionSnapshot) -> ConfirmIdentifier {
        let accounts = &self.bed.accounts;
        let asked = accounts
            .request_identifier_change(who, &email(NEW), &request())
            .await
            .unwrap();
        let proof = right_code(&asked, &self.bed.code_sent_to(NEW).await);
        ConfirmIdentifier {
            challenge: proof.challenge,
            code: proof.code,
        }
    }
}
