//! The relying party of WebAuthn: makes the options of ceremonies, and judges what devices answer.
//!
//! Pure computation: the state of a ceremony and the material of a credential are bytes that only the adapter
//! reads, and whoever calls keeps them. Counters, and whose a passkey is, are not judged here.

use std::fmt;

use authentication_domain::passkeys::{CredentialState, UserHandle};
use serde_json::Value;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::StoreError;

/// Whom a passkey is made for, as the device shows it to whoever holds it.
pub struct EnrolmentSubject<'a> {
    /// What the device keeps beside the key.
    pub handle: UserHandle,
    /// What the person signs in with.
    pub name: &'a str,
    /// How others see them.
    pub display_name: &'a str,
    /// Ids of the passkeys there are: a device that has one of them makes no second.
    pub known: &'a [Vec<u8>],
}

/// A passkey that may answer, for options that name some.
#[derive(Clone, PartialEq, Eq)]
pub struct AllowedCredential {
    /// Its id.
    pub id: Vec<u8>,
    /// How the device said it can be reached (`internal`, `hybrid`, `usb`, …).
    pub transports: Vec<String>,
}

/// A ceremony that was begun.
pub struct BegunCeremony {
    /// For the client: `PublicKeyCredentialCreationOptionsJSON` or `PublicKeyCredentialRequestOptionsJSON`.
    pub options: Value,
    /// For the end of it.
    pub state: Zeroizing<Vec<u8>>,
}

/// What a device answers to an enrolment.
pub struct AttestationAnswer {
    /// The id of the new credential.
    pub credential_id: Vec<u8>,
    /// `clientDataJSON`, as it came.
    pub client_data: Vec<u8>,
    /// `attestationObject`.
    pub attestation_object: Vec<u8>,
    /// How the device says it can be reached.
    pub transports: Vec<String>,
}

/// What a device answers when somebody signs in.
pub struct AssertionAnswer {
    /// Which credential signed.
    pub credential_id: Vec<u8>,
    /// `clientDataJSON`, as it came.
    pub client_data: Vec<u8>,
    /// `authenticatorData`.
    pub authenticator_data: Vec<u8>,
    /// Over both.
    pub signature: Vec<u8>,
    /// Whose it says it is; devices may leave it out where the options named credentials.
    pub user_handle: Option<Vec<u8>>,
}

impl AttestationAnswer {
    /// What tells this answer from another.
    pub(crate) fn parts(&self) -> [&[u8]; 3] {
        [
            &self.credential_id,
            &self.client_data,
            &self.attestation_object,
        ]
    }
}

impl AssertionAnswer {
    /// What tells this answer from another.
    pub(crate) fn parts(&self) -> [&[u8]; 4] {
        [
            &self.credential_id,
            &self.client_data,
            &self.authenticator_data,
            &self.signature,
        ]
    }
}

/// A credential whose enrolment holds to every rule.
pub struct EnrolledCredential {
    /// Its id.
    pub id: Vec<u8>,
    /// What its signatures are verified with: a public key and what belongs to it, as the adapter writes it.
    pub material: String,
    /// What the device signed about itself.
    pub state: CredentialState,
    /// The make of the device or of the password manager, if it told.
    pub aaguid: Option<Uuid>,
    /// How the device said it can be reached; names that we know only.
    pub transports: Vec<String>,
}

/// Why an answer does not count. The names are for the trail; a client hears of none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CeremonyFault {
    /// Not of the form that it should have.
    #[error("malformed")]
    Malformed,
    /// `type` says that it answers something else.
    #[error("wrong type")]
    WrongType,
    /// It answers another ceremony.
    #[error("wrong challenge")]
    WrongChallenge,
    /// The page was not one of ours.
    #[error("wrong origin")]
    WrongOrigin,
    /// The page was inside one of somebody else's.
    #[error("cross-origin")]
    CrossOrigin,
    /// The credential is another site's.
    #[error("wrong relying party")]
    WrongRelyingParty,
    /// Nobody was there, or nobody proved who they are to the device.
    #[error("the user was not verified")]
    UserNotVerified,
    /// The signature, or the key, is not what it should be.
    #[error("bad signature")]
    BadSignature,
    /// Flags or formats that contradict each other.
    #[error("contradictory")]
    Contradictory,
}

impl CeremonyFault {
    /// The name in the trail.
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

/// Options could not be made, or a state not be read: a fault of ours.
#[derive(Debug, thiserror::Error)]
#[error("the relying party failed: {0}")]
pub struct RelyingPartyFailed(pub &'static str);

impl From<RelyingPartyFailed> for StoreError {
    fn from(error: RelyingPartyFailed) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// W3C Web Authentication Level 3, on the side of the service.
pub trait RelyingParty: Send + Sync {
    /// The domain that passkeys belong to.
    fn id(&self) -> &str;

    /// The origins of the pages that may ask for passkeys, those on other domains too (Level 3 §5.11.1). Apps
    /// are not among them.
    fn pages(&self) -> &[String];

    /// Asks a device for a passkey: discoverable, its user verified, preferably in the device itself.
    ///
    /// # Errors
    /// [`RelyingPartyFailed`].
    fn begin_enrolment(
        &self,
        subject: &EnrolmentSubject<'_>,
    ) -> Result<BegunCeremony, RelyingPartyFailed>;

    /// Judges the answer (Level 3 §7.1). Whether the id is new is for the store to say.
    ///
    /// # Errors
    /// [`CeremonyFault`].
    fn finish_enrolment(
        &self,
        state: &[u8],
        answer: &AttestationAnswer,
    ) -> Result<EnrolledCredential, CeremonyFault>;

    /// Asks for a signature, its user verified: of one of these passkeys, or of any when there are none, which
    /// tells nothing about anybody.
    ///
    /// # Errors
    /// [`RelyingPartyFailed`].
    fn begin_assertion(
        &self,
        allowed: &[AllowedCredential],
    ) -> Result<BegunCeremony, RelyingPartyFailed>;

    /// Judges the signature of a credential with this material (Level 3 §7.2), and says what it told about
    /// itself. Whose it is, and whether its counter may stand there, is not asked.
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
