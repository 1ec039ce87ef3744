//! The relying party, implemented with `webauthn-rs`.

use std::time::Duration;

use authentication_app::ports::{
    AllowedCredential, AssertionAnswer, AttestationAnswer, BegunCeremony, CeremonyFault,
    EnrolledCredential, EnrolmentSubject, RelyingParty, RelyingPartyFailed,
};
use authentication_domain::passkeys::{CredentialState, PasskeyRules};
use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;
use webauthn_rs::prelude::{
    Credential, DiscoverableAuthentication, Passkey, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Webauthn, WebauthnBuilder,
};
use zeroize::Zeroizing;

use super::{
    authenticator_data::AuthenticatorData,
    client_data::{self, Asked},
};

/// The device transports that are passed on to clients (Level 3 §5.8.4).
const TRANSPORTS: [&str; 6] = ["usb", "nfc", "ble", "smart-card", "hybrid", "internal"];

/// The relying party and its accepted origins.
#[derive(Debug, Clone)]
pub struct WebAuthnConfig {
    /// The domain that passkeys are bound to.
    pub rp_id: String,
    /// The name of the service as shown to people.
    pub rp_name: String,
    /// Origins that may request passkeys, as clients send them: pages on the domain or a subdomain, and
    /// Android apps (`android:apk-key-hash:…`). At least one.
    pub origins: Vec<String>,
    /// Pages on other domains that may also request passkeys (Level 3 §5.11).
    pub related_origins: Vec<String>,
}

/// Why the configuration is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebAuthnConfigError {
    /// No origin is configured.
    #[error("needs an origin at least")]
    NoOrigin,
    /// An origin is on a different domain.
    #[error("an origin is not on the domain of the passkeys, or below it")]
    ForeignOrigin,
    /// An origin is neither that of a page nor that of an app.
    #[error("an origin is none")]
    NoUrl,
}

/// Verifies the passkeys of one domain.
pub struct WebAuthnParty {
    library: Webauthn,
    rp_id: String,
    /// All accepted origins as clients send them: pages of the domain, apps, and related origins.
    origins: Vec<String>,
    /// The origins of pages.
    pages: Vec<String>,
}

/// The state between the two halves of a ceremony.
#[derive(Serialize, Deserialize)]
struct State<T> {
    /// The challenge as it was sent.
    challenge: String,
    library: T,
}

impl WebAuthnParty {
    /// # Errors
    /// [`WebAuthnConfigError`].
    pub fn new(config: &WebAuthnConfig) -> Result<Self, WebAuthnConfigError> {
        let (own, related) = (&config.origins, &config.related_origins);
        if own.is_empty() {
            return Err(WebAuthnConfigError::NoOrigin);
        }
        let parsed = |origin: &String| Url::parse(origin).map_err(|_| WebAuthnConfigError::NoUrl);
        for origin in own.iter().filter(|origin| !is_android_app(origin)) {
            let url = parsed(origin)?;
            if !url
                .domain()
                .is_some_and(|it| is_on_domain(it, &config.rp_id))
            {
                return Err(WebAuthnConfigError::ForeignOrigin);
            }
        }
        // The library requires a page of the domain first. `client_data` checks the actual origins before.
        let page = parsed(&format!("https://{}", config.rp_id))?;
        let lifetime = PasskeyRules::default().ceremony_lifetime;
        let mut builder = WebauthnBuilder::new(&config.rp_id, &page)
            .map_err(|_| WebAuthnConfigError::ForeignOrigin)?
            .rp_name(&config.rp_name)
            .timeout(Duration::from_secs(lifetime.whole_seconds().unsigned_abs()));
        let origins: Vec<String> = own.iter().chain(related).cloned().collect();
        for origin in &origins {
            builder = builder.append_allowed_origin(&parsed(origin)?);
        }
        let is_page = |origin: &&String| !is_android_app(origin);
        Ok(Self {
            library: builder
                .build()
                .map_err(|_| WebAuthnConfigError::ForeignOrigin)?,
            rp_id: config.rp_id.clone(),
            pages: origins.iter().filter(is_page).cloned().collect(),
            origins,
        })
    }
}

/// The prefix of an Android app's origin. The SHA-256 digest of the app's signing certificate follows, in
/// base64url without padding.
const ANDROID_APP: &str = "android:apk-key-hash:";

/// Whether this is the origin of an Android app.
pub fn is_android_app(origin: &str) -> bool {
    let hash = origin.strip_prefix(ANDROID_APP);
    let digest = hash.and_then(|hash| URL_SAFE_NO_PAD.decode(hash).ok());
    digest.is_some_and(|digest| digest.len() == SHA256_OUTPUT_LEN)
}

/// Whether a page at `host` may request passkeys of `domain`: on the same domain or a subdomain (Level 3
/// §5.1.3).
pub fn is_on_domain(host: &str, domain: &str) -> bool {
    let below = host.strip_suffix(domain);
    below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
}

impl RelyingParty for WebAuthnParty {
    fn id(&self) -> &str {
        &self.rp_id
    }

    fn pages(&self) -> &[String] {
        &self.pages
    }

    fn begin_enrolment(
        &self,
        subject: &EnrolmentSubject<'_>,
    ) -> Result<BegunCeremony, RelyingPartyFailed> {
        let known = subject.known.to_vec();
        let (options, state) = self
            .library
            .start_passkey_registration(
                Uuid::from_bytes(subject.handle.0),
                subject.name,
                subject.display_name,
                Some(known),
            )
            .map_err(|_| RelyingPartyFailed("no creation options"))?;
        let mut options = public_key(&options)?;
        // The library requests less than this service requires; the signed response shows what the device
        // did. `hints` prefers built-in authenticators (fingerprint, face, PIN). `authenticatorAttachment`
        // would exclude security keys.
        let selection = json!({
            "residentKey": "required",
            "requireResidentKey": true,
            "userVerification": "required",
        });
        options.insert("authenticatorSelection".to_owned(), selection);
        options.insert("attestation".to_owned(), "none".into());
        options.insert("hints".to_owned(), json!(["client-device"]));
        begun(options, state)
    }

    fn finish_enrolment(
        &self,
        state: &[u8],
        answer: &AttestationAnswer,
    ) -> Result<EnrolledCredential, CeremonyFault> {
        let state: State<PasskeyRegistration> = read(state)?;
        let asked = Asked {
            kind: "webauthn.create",
            challenge: &state.challenge,
        };
        client_data::check(&answer.client_data, asked, &self.origins)?;
        let data = AuthenticatorData::within(&answer.attestation_object)?;
        let data = AuthenticatorData::parse(&data)?;
        let told = data.check(&self.rp_id)?;
        let new = data.credential.as_ref().ok_or(CeremonyFault::Malformed)?;
        if !new.has_sane_id() || new.id != answer.credential_id {
            return Err(CeremonyFault::Malformed);
        }
        if !told.is_possible() {
            return Err(CeremonyFault::Contradictory);
        }
        let passkey = self
            .library
            .finish_passkey_registration(&registration(answer)?, &state.library)
            .map_err(|_| CeremonyFault::BadSignature)?;
        Ok(EnrolledCredential {
            id: new.id.to_vec(),
            material: serde_json::to_string(&passkey).map_err(|_| CeremonyFault::Malformed)?,
            state: told,
            aaguid: new.aaguid,
            transports: answer
                .transports
                .iter()
                .filter(|name| TRANSPORTS.contains(&name.as_str()))
                .cloned()
                .collect(),
        })
    }

    fn begin_assertion(
        &self,
        allowed: &[AllowedCredential],
    ) -> Result<BegunCeremony, RelyingPartyFailed> {
        let (options, state) = self
            .library
            .start_discoverable_authentication()
            .map_err(|_| RelyingPartyFailed("no request options"))?;
        let mut options = public_key(&options)?;
        options.insert("userVerification".to_owned(), "required".into());
        let allowed = allowed.iter().map(descriptor).collect();
        options.insert("allowCredentials".to_owned(), allowed);
        begun(options, state)
    }

    fn finish_assertion(
        &self,
        state: &[u8],
        answer: &AssertionAnswer,
        material: &str,
    ) -> Result<CredentialState, CeremonyFault> {
        let state: State<DiscoverableAuthentication> = read(state)?;
        let asked = Asked {
            kind: "webauthn.get",
            challenge: &state.challenge,
        };
        client_data::check(&answer.client_data, asked, &self.origins)?;
        let data = AuthenticatorData::parse(&answer.authenticator_data)?;
        let told = data.check(&self.rp_id)?;
        if data.credential.is_some() {
            return Err(CeremonyFault::Malformed);
        }
        let passkey: Passkey =
            serde_json::from_str(material).map_err(|_| CeremonyFault::Malformed)?;
        if client_data::after_mark(&answer.client_data).is_some() {
            return is_signed(answer, passkey)
                .then_some(told)
                .ok_or(CeremonyFault::BadSignature);
        }
        let shown = never_used(passkey, told);
        self.library
            .finish_discoverable_authentication_v2(&assertion(answer)?, state.library, &shown)
            .map_err(|_| CeremonyFault::BadSignature)?;
        Ok(told)
    }
}

/// Verifies the signature of the passkey (Level 3 §7.2 steps 20 and 21). The library refuses a byte-order
/// mark before client data, but the signature covers it. All other checks come before.
fn is_signed(answer: &AssertionAnswer, passkey: Passkey) -> bool {
    let hash = digest(&SHA256, &answer.client_data);
    let signed = [answer.authenticator_data.as_slice(), hash.as_ref()].concat();
    let key = Credential::from(passkey).cred;
    key.verify_signature(&answer.signature, &signed)
        .unwrap_or(false)
}

/// The domain checks counters and backup flags, so the library gets values that it cannot object to.
fn never_used(passkey: Passkey, told: CredentialState) -> Passkey {
    let mut credential = Credential::from(passkey);
    credential.counter = 0;
    credential.backup_eligible = told.backup_eligible;
    credential.backup_state = told.backed_up;
    credential.into()
}

/// The options without the library's wrapper.
fn public_key(options: &impl Serialize) -> Result<Map<String, Value>, RelyingPartyFailed> {
    let mut options =
        serde_json::to_value(options).map_err(|_| RelyingPartyFailed("unwritable options"))?;
    match options.get_mut("publicKey").map(Value::take) {
        Some(Value::Object(options)) => Ok(options),
        _ => Err(RelyingPartyFailed("options without a public key")),
    }
}

fn begun(
    options: Map<String, Value>,
    library: impl Serialize,
) -> Result<BegunCeremony, RelyingPartyFailed> {
    let challenge = options.get("challenge").and_then(Value::as_str);
    let state = State {
        challenge: challenge.unwrap_or_default().to_owned(),
        library,
    };
    let state = serde_json::to_vec(&state).map_err(|_| RelyingPartyFailed("unwritable state"))?;
    Ok(BegunCeremony {
        options: Value::Object(options),
        state: Zeroizing::new(state),
    })
}

/// A state written by another release is treated like an expired one.
fn read<T: DeserializeOwned>(state: &[u8]) -> Result<T, CeremonyFault> {
    serde_json::from_slice(state).map_err(|_| CeremonyFault::WrongChallenge)
}

fn descriptor(credential: &AllowedCredential) -> Value {
    json!({
        "type": "public-key",
        "id": URL_SAFE_NO_PAD.encode(&credential.id),
        "transports": credential.transports,
    })
}

fn registration(answer: &AttestationAnswer) -> Result<RegisterPublicKeyCredential, CeremonyFault> {
    let id = URL_SAFE_NO_PAD.encode(&answer.credential_id);
    // Without attestation, which is what the service requests, no signature covers the client data of an
    // enrolment.
    let client_data = client_data::after_mark(&answer.client_data).unwrap_or(&answer.client_data);
    let credential = json!({
        "id": id, "rawId": id, "type": "public-key", "extensions": {},
        "response": {
            "attestationObject": URL_SAFE_NO_PAD.encode(&answer.attestation_object),
            "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
        },
    });
    serde_json::from_value(credential).map_err(|_| CeremonyFault::Malformed)
}

fn assertion(answer: &AssertionAnswer) -> Result<PublicKeyCredential, CeremonyFault> {
    let id = URL_SAFE_NO_PAD.encode(&answer.credential_id);
    let handle = answer.user_handle.as_ref();
    let credential = json!({
        "id": id, "rawId": id, "type": "public-key", "extensions": {},
        "response": {
            "authenticatorData": URL_SAFE_NO_PAD.encode(&answer.authenticator_data),
            "clientDataJSON": URL_SAFE_NO_PAD.encode(&answer.client_data),
            "signature": URL_SAFE_NO_PAD.encode(&answer.signature),
            "userHandle": handle.map(|handle| URL_SAFE_NO_PAD.encode(handle)),
        },
    });
    serde_json::from_value(credential).map_err(|_| CeremonyFault::Malformed)
}
