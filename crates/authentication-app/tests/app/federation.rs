//! What an operator is told of ID tokens that are good, and not believed.

use std::sync::Arc;

use async_trait::async_trait;
use authentication_app::{
    federation::{EnterError, Federation, FederationPolicy, SignInWithToken, Unproven},
    ports::{AuthorizationRequest, CodeGrant, IdentityProvider, ProviderError},
};
use authentication_domain::federation::{
    AdmissionRules, ExternalIdentity, IdentityClaims, ProviderName,
};
use secrecy::SecretString;
use testkit::LogCapture;

use crate::bed::{Bed, request};

/// Says the same of everybody.
struct Vouching(IdentityClaims);

#[async_trait]
impl IdentityProvider for Vouching {
    async fn authorization_url(
        &self,
        _: &AuthorizationRequest<'_>,
    ) -> Result<String, ProviderError> {
        panic!("nobody is sent there")
    }

    async fn redeem(&self, _: &CodeGrant<'_>) -> Result<IdentityClaims, ProviderError> {
        panic!("nobody has a code")
    }

    async fn verify(&self, _: &SecretString) -> Result<IdentityClaims, ProviderError> {
        Ok(self.0.clone())
    }
}

fn claims(email: Option<&str>, email_verified: Option<bool>) -> IdentityClaims {
    IdentityClaims {
        identity: ExternalIdentity::new("https://id.example", "1").unwrap(),
        nonce: Some("0".repeat(32)),
        email: email.map(ToOwned::to_owned),
        email_verified,
        hosted_domain: None,
        name: None,
        given_name: None,
        family_name: None,
        locale: None,
    }
}

#[tokio::test]
async fn a_token_without_an_address_that_was_checked_is_told_in_the_log() {
    let bed = Bed::start().await;
    for (claims, reason) in [
        (
            claims(Some("ada@example.com"), Some(false)),
            "email_not_verified",
        ),
        (claims(Some("ada@example.com"), None), "email_not_verified"),
        (claims(None, Some(true)), "no_email"),
    ] {
        let policy = FederationPolicy {
            name: ProviderName::GOOGLE,
            label: "Google".to_owned(),
            redirect_uris: Vec::new(),
            admission: AdmissionRules::default(),
        };
        let provider = Arc::new(Vouching(claims));
        let federation = Federation::new(Arc::clone(&bed.base), provider, policy);
        let command = SignInWithToken {
            id_token: "a token".into(),
            role: None,
        };
        let (log, capturing) = LogCapture::on_this_thread();
        let refused = federation.sign_in(&command, &request()).await;
        drop(capturing);
        assert!(
            matches!(refused, Err(EnterError::Unproven(Unproven::Untrusted(_)))),
            "{reason}"
        );
        let text = log.text();
        let told: Vec<_> = text
            .lines()
            .filter(|line| line.contains("an ID token does not count"))
            .collect();
        assert_eq!(told.len(), 1, "{text}");
        assert!(
            told[0].contains(&format!("reason=\"{reason}\"")) && told[0].contains("google"),
            "{told:?}"
        );
        assert!(!told[0].contains("ada@"), "{told:?}");
    }
}
