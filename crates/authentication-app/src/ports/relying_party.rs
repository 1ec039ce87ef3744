//! The WebAuthn relying party: creates the options of ceremonies, and judges the answers of devices.
//!
//! Pure computation: the state of a ceremony and the material of a credential are bytes that only the adapter
//! interprets; the caller stores them. Signature counters and the ownership of passkeys are not judged here.

use std::fmt;

use authentication_domain::passkeys::{CredentialState, UserHandle};
use serde_json::Value;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::StoreError;

/// The person a passkey is made for, as the device shows them to its user.
pub struct EnrolmentSubject<'a> {
    /// The user handle, which the device stores with the key.
    pub handle: UserHandle,
    /// The identifier that the person signs in with.
    pub name: &'a str,
    /// The person's display name.
    pub display_name: &'a str,
    /// Credential ids of the person's passkeys: a device that has one of them does not make a second one.
    pub known: &'a [Vec<u8>],
}

/// A passkey that may answer, for options with a list of credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct AllowedCredential {
    /// Its credential id.
    pub id: Vec<u8>,
    /// The transports that the device reported (`internal`, `hybrid`, `usb`, …).
    pub transports: Vec<String>,
}

/// A ceremony that was begun.
pub struct BegunCeremony {
    /// For the client: `PublicKeyCredentialCreationOptionsJSON` or `PublicKeyCredentialRequestOptionsJSON`.
    pub options: Value,
    /// The state for finishing the ceremony.
    pub state: Zeroizing<Vec<u8>>,
}

/// A device's answer to an enrolment.
pub struct AttestationAnswer {
    /// The id of the new credential.
    pub credential_id: Vec<u8>,
    /// `clientDataJSON`, exactly as received.
    pub client_data: Vec<u8>,
    /// `attestationObject`.
    pub attestation_object: Vec<u8>,
    /// The transports that the device reports.
    pub transports: Vec<String>,
}

/// A device's answer to a sign-in.
pub struct AssertionAnswer {
    /// The credential that signed.
    pub credential_id: Vec<u8>,
    /// `clientDataJSON`, exactly as received.
    pub client_data: Vec<u8>,
    /// `authenticatorData`.
    pub authenticator_data: Vec<u8>,
    /// The signature over `authenticatorData` and the hash of `clientDataJSON`.
    pub signature: Vec<u8>,
    /// The user handle that the device claims; optional where the options named credentials.
    pub user_handle: Option<Vec<u8>>,
}

impl AttestationAnswer {
    /// The fields that identify this answer.
    pub(crate) fn parts(&self) -> [&[u8]; 3] {
        [
            &self.credential_id,
            &self.client_data,
            &self.attestation_object,
        ]
    }
}

impl AssertionAnswer {
    /// The fields that identify this answer.
    pub(crate) fn parts(&self) -> [&[u8]; 4] {
        [
            &self.credential_id,
            &self.client_data,
            &self.authenticator_data,
            &self.signature,
        ]
    }
}

/// A credential whose enrolment satisfies every rule.
pub struct EnrolledCredential {
    /// Its credential id.
    pub id: Vec<u8>,
    /// What verifies its signatures: the public key with its parameters, in the adapter's format.
    pub material: String,
    /// The authenticator data that the device signed.
    pub state: CredentialState,
    /// The model of the device or password manager, if reported.
    pub aaguid: Option<Uuid>,
    /// The transports that the device reported; only known names.
    pub transports: Vec<String>,
}

/// Why an answer is invalid. The names are for the audit log; a client sees none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CeremonyFault {
    /// The answer is malformed.
    #[error("malformed")]
    Malformed,
    /// `type` names another kind of ceremony.
    #[error("wrong type")]
    WrongType,
    /// The answer is to another ceremony.
    #[error("wrong challenge")]
    WrongChallenge,
    /// The page is not from an allowed origin.
    #[error("wrong origin")]
    WrongOrigin,
    /// The page was embedded in a page of another origin.
    #[error("cross-origin")]
    CrossOrigin,
    /// The credential belongs to another relying party.
    #[error("wrong relying party")]
    WrongRelyingParty,
    /// The device did not confirm that a user was present and verified.
    #[error("the user was not verified")]
    UserNotVerified,
    /// The signature or the key is invalid.
    #[error("bad signature")]
    BadSignature,
    /// Flags or formats contradict each other.
    #[error("contradictory")]
    Contradictory,
}

impl CeremonyFault {
    /// The fault's name in the audit log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed_answer",
            Self::WrongType => "wrong_type",
            Self::WrongChallenge => "wrong_challenge",
            Self::WrongOrigin => "wrong_origin",
            Self::CrossOrigin => "cross_origin",
            Self::WrongRelyingParty => "wrong_relying_party",
            Self::UserNotVerified => "user_not_verified",
            Self::BadSignature => "bad_signature",
            Self::Contradictory => "contradictory_answer",
        }
    }
}

/// Options could not be created, or a state could not be read: an internal fault.
#[derive(Debug, thiserror::Error)]
#[error("the relying party failed: {0}")]
pub struct RelyingPartyFailed(pub &'static str);

impl From<RelyingPartyFailed> for StoreError {
    fn from(error: RelyingPartyFailed) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// The relying party of W3C Web Authentication Level 3.
pub trait RelyingParty: Send + Sync {
    /// The relying party id: the domain that passkeys belong to.
    fn id(&self) -> &str;

    /// The origins of the pages that may ask for passkeys, including related origins on other domains (Level 3
    /// §5.11.1). Does not include apps.
    fn pages(&self) -> &[String];

    /// Options for a new passkey: discoverable, with user verification, preferably on the device itself.
    ///
    /// # Errors
    /// [`RelyingPartyFailed`].
    fn begin_enrolment(
        &self,
        subject: &EnrolmentSubject<'_>,
    ) -> Result<BegunCeremony, RelyingPartyFailed>;

    /// Judges the answer (Level 3 §7.1). Whether the credential id is new is for the store to decide.
    ///
    /// # Errors
    /// [`CeremonyFault`].
    fn finish_enrolment(
        &self,
        state: &[u8],
        answer: &AttestationAnswer,
    ) -> Result<EnrolledCredential, CeremonyFault>;

    /// Options for a signature with user verification, by one of these passkeys; with an empty list, by any
    /// passkey, which reveals nothing about any account.
    ///
    /// # Errors
    /// [`RelyingPartyFailed`].
    fn begin_assertion(
        &self,
        allowed: &[AllowedCredential],
    ) -> Result<BegunCeremony, RelyingPartyFailed>;

    /// Verifies a signature by a credential with this material (Level 3 §7.2), and returns what the credential
    /// reported about itself. Does not check whose it is, nor whether its counter is plausible.
    ///
    /// # Errors
    /// [`CeremonyFault`].
    fn finish_assertion(
        &self,
        state: &[u8],
        answer: &AssertionAnswer,
        material: &str,
    ) -> Result<CredentialState, CeremonyFault>;
}

macro_rules! shows_nothing {
    ($($kind:ident),+) => {$(
        impl fmt::Debug for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($kind), "(…)"))
            }
        }
    )+};
}
shows_nothing!(
    AllowedCredential,
    BegunCeremony,
    AttestationAnswer,
    AssertionAnswer,
    EnrolledCredential
);

impl fmt::Debug for EnrolmentSubject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnrolmentSubject(…)")
    }
}
