//! A software authenticator with passkeys. It does what a test asks, including what no honest authenticator does.
//!
//! ES256, attestation "none". It answers the service's options with what a browser's `toJSON()` returns. A [`Conduct`]
//! says which page it is on, whether a user was present and verified, and what it claims about itself.

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use common::random::bytes;
use serde_json::{Value, json};

use crate::builders::RANDOM;

/// The AAGUID that it reports.
pub const AAGUID: [u8; 16] = *b"testkit-passkey!";

/// The behaviour of an authenticator and its browser.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the format, and is set apart"
)]
pub struct Conduct {
    /// The origin of the page that asks.
    pub origin: String,
    /// The relying party whose passkey signs; that of the options if absent.
    pub rp_id: Option<String>,
    /// `type` of the client data; the correct one if absent.
    pub kind: Option<String>,
    /// The challenge that is answered; that of the options if absent.
    pub challenge: Option<String>,
    /// `crossOrigin`; left out if absent.
    pub cross_origin: Option<bool>,
    /// `topOrigin`; left out if absent.
    pub top_origin: Option<String>,
    /// Flag UP: a user was present.
    pub user_present: bool,
    /// Flag UV: the authenticator verified the user.
    pub user_verified: bool,
    /// Flag BE: the passkey may be backed up.
    pub backup_eligible: bool,
    /// Flag BS: the passkey is backed up.
    pub backed_up: bool,
    /// The signature counter.
    pub counter: u32,
    /// Whether the answer contains the user handle.
    pub tells_user: bool,
    /// Bytes appended to the authenticator data after its regular end.
    pub leftover: Vec<u8>,
    /// Extension outputs, in CBOR; if present, the flag ED is set.
    pub extensions: Option<Vec<u8>>,
    /// Changes the COSE key of a new passkey.
    pub cose_key: fn(Vec<u8>) -> Vec<u8>,
    /// Changes the attestation object.
    pub attestation_object: fn(Vec<u8>) -> Vec<u8>,
    /// Changes the client data.
    pub client_data: fn(Vec<u8>) -> Vec<u8>,
}

impl Conduct {
    /// An honest authenticator on a page of this origin, with a counter of 0.
    pub fn at(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            rp_id: None,
            kind: None,
            challenge: None,
            cross_origin: Some(false),
            top_origin: None,
            user_present: true,
            user_verified: true,
            backup_eligible: false,
            backed_up: false,
            counter: 0,
            tells_user: true,
            leftover: Vec::new(),
            extensions: None,
            cose_key: |key| key,
            attestation_object: |object| object,
            client_data: |data| data,
        }
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let challenge = options["challenge"].as_str().expect("a challenge");
        let mut data = json!({
            "type": self.kind.as_deref().unwrap_or(kind),
            "challenge": self.challenge.as_deref().unwrap_or(challenge),
            "origin": self.origin,
        });
        if let Some(cross_origin) = self.cross_origin {
            data["crossOrigin"] = cross_origin.into();
        }
        if let Some(top_origin) = &self.top_origin {
            data["topOrigin"] = top_origin.as_str().into();
        }
        (self.client_data)(data.to_string().into_bytes())
    }

    /// WebAuthn Level 3 §6.1, up to the counter.
    fn authenticator_data(&self, rp_id: &str, has_credential: bool) -> Vec<u8> {
        let rp_id = self.rp_id.as_deref().unwrap_or(rp_id);
        let flags = [
            (self.user_present, 0x01),
            (self.user_verified, 0x04),
            (self.backup_eligible, 0x08),
            (self.backed_up, 0x10),
            (has_credential, 0x40),
            (self.extensions.is_some(), 0x80),
        ];
        let set = flags.iter().filter(|(is_set, _)| *is_set);
        let flags: u8 = set.map(|(_, flag)| flag).sum();
        let mut data = digest(&SHA256, rp_id.as_bytes()).as_ref().to_vec();
        data.push(flags);
        data.extend(self.counter.to_be_bytes());
        data
    }
}

/// A passkey and the authenticator that holds it.
pub struct SoftPasskey {
    key: EcdsaKeyPair,
    id: Vec<u8>,
    rp_id: String,
    user_handle: Vec<u8>,
}

impl std::fmt::Debug for SoftPasskey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SoftPasskey(…)")
    }
}

impl SoftPasskey {
    /// Creates a passkey from creation options; also returns the answer to them.
    pub fn create(options: &Value, conduct: &Conduct) -> (Self, Value) {
        Self::create_with_id(options, conduct, bytes::<32>(&RANDOM).to_vec())
    }

    /// [`Self::create`] with a given credential id, for example that of another passkey.
    pub fn create_with_id(options: &Value, conduct: &Conduct, id: Vec<u8>) -> (Self, Value) {
        let user_handle = options["user"]["id"].as_str().expect("a user handle");
        let passkey = Self {
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key"),
            id,
            rp_id: options["rp"]["id"].as_str().expect("an id").to_owned(),
            user_handle: URL_SAFE_NO_PAD.decode(user_handle).expect("base64url"),
        };
        let mut data = conduct.authenticator_data(&passkey.rp_id, true);
        data.extend(AAGUID);
        let length = u16::try_from(passkey.id.len()).expect("a short id");
        data.extend(length.to_be_bytes());
        data.extend(&passkey.id);
        data.extend((conduct.cose_key)(passkey.cose_key()));
        data.extend(conduct.extensions.iter().flatten());
        data.extend(&conduct.leftover);
        let object = (conduct.attestation_object)(attestation_object(&data));
        let client_data = conduct.client_data("webauthn.create", options);
        let response = json!({
            "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
            "attestationObject": URL_SAFE_NO_PAD.encode(object),
            "transports": ["internal", "hybrid"],
        });
        let answer = passkey.credential(&response);
        (passkey, answer)
    }

    /// Answers request options.
    pub fn sign(&self, options: &Value, conduct: &Conduct) -> Value {
        let mut data = conduct.authenticator_data(&self.rp_id, false);
        data.extend(conduct.extensions.iter().flatten());
        data.extend(&conduct.leftover);
        let client_data = conduct.client_data("webauthn.get", options);
        let mut signed = data.clone();
        signed.extend(digest(&SHA256, &client_data).as_ref());
        let signature = self.key.sign(&SystemRandom::new(), &signed);
        let handle = URL_SAFE_NO_PAD.encode(&self.user_handle);
        let response = json!({
            "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
            "authenticatorData": URL_SAFE_NO_PAD.encode(data),
            "signature": URL_SAFE_NO_PAD.encode(signature.expect("a signature").as_ref()),
            "userHandle": if conduct.tells_user { json!(handle) } else { Value::Null },
        });
        self.credential(&response)
    }

    /// The id of the credential.
    pub fn id(&self) -> &[u8] {
        &self.id
    }

    /// Replaces the user handle, so that the passkey claims to be this user's.
    #[must_use]
    pub fn claiming(mut self, user_handle: Vec<u8>) -> Self {
        self.user_handle = user_handle;
        self
    }

    /// The user handle that it stores with its key.
    pub fn user_handle(&self) -> &[u8] {
        &self.user_handle
    }

    fn credential(&self, response: &Value) -> Value {
        let id = URL_SAFE_NO_PAD.encode(&self.id);
        json!({
            "id": id, "rawId": id, "type": "public-key", "response": response,
            "authenticatorAttachment": "platform", "clientExtensionResults": {},
        })
    }

    /// RFC 9053 §7.1.1: kty EC2, alg ES256, crv P-256, x, y.
    fn cose_key(&self) -> Vec<u8> {
        let point = self.key.public_key().as_ref();
        let mut key = vec![0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
        key.extend(&point[1..33]);
        key.extend([0x22, 0x58, 0x20]);
        key.extend(&point[33..]);
        key
    }
}

/// CBOR: `{"fmt": "none", "attStmt": {}, "authData": data}`.
fn attestation_object(data: &[u8]) -> Vec<u8> {
    let mut object = vec![0xa3];
    for text in ["fmt", "none", "attStmt"] {
        object.push(0x60 | u8::try_from(text.len()).expect("a short text"));
        object.extend(text.as_bytes());
    }
    object.push(0xa0);
    object.push(0x68);
    object.extend(b"authData");
    // CTAP2 requires the shortest encoding of the length.
    if let Ok(length) = u8::try_from(data.len()) {
        object.extend([0x58, length]);
    } else {
        let length = u16::try_from(data.len()).expect("little data");
        object.push(0x59);
        object.extend(length.to_be_bytes());
    }
    object.extend(data);
    object
}
