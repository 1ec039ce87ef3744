//! Authenticator data: what a device states about itself (Level 3 §6.1).
//!
//! ```text
//! SHA-256 of the domain (32) ‖ flags (1) ‖ counter (4)
//!     ‖ AAGUID (16) ‖ length of the id (2) ‖ id ‖ COSE key         when AT is set
//!     ‖ map of extensions                                          when ED is set
//! ```

use authentication_app::ports::CeremonyFault;
use authentication_domain::passkeys::{CredentialDigest, CredentialState};
use aws_lc_rs::digest::{SHA256, digest};
use ciborium::Value;
use uuid::Uuid;

use super::{canonical::take_item, cose_key};

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const HAS_CREDENTIAL: u8 = 0x40;
const HAS_EXTENSIONS: u8 = 0x80;

/// The parsed data. Trailing bytes are refused.
pub(super) struct AuthenticatorData<'a> {
    rp_id_hash: &'a [u8],
    flags: u8,
    counter: u32,
    pub(super) credential: Option<NewCredential<'a>>,
}

/// A newly created credential.
pub(super) struct NewCredential<'a> {
    /// `None` if the device does not reveal its model.
    pub(super) aaguid: Option<Uuid>,
    pub(super) id: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, CeremonyFault> {
        let mut rest = bytes;
        let rp_id_hash = take(&mut rest, 32)?;
        let flags = u8::from_be_bytes(take_array(&mut rest)?);
        let counter = u32::from_be_bytes(take_array(&mut rest)?);
        let credential = if flags & HAS_CREDENTIAL == 0 {
            None
        } else {
            let aaguid = Uuid::from_bytes(take_array(&mut rest)?);
            let length = u16::from_be_bytes(take_array(&mut rest)?);
            let id = take(&mut rest, length.into())?;
            // Level 3 §7.1 step 20: the algorithm must be one of those offered.
            if !cose_key::is_sound(&take_map(&mut rest)?) {
                return Err(CeremonyFault::Malformed);
            }
            Some(NewCredential {
                aaguid: (!aaguid.is_nil()).then_some(aaguid),
                id,
            })
        };
        if flags & HAS_EXTENSIONS != 0 {
            take_map(&mut rest)?;
        }
        if !rest.is_empty() {
            return Err(CeremonyFault::Malformed);
        }
        Ok(Self {
            rp_id_hash,
            flags,
            counter,
            credential,
        })
    }

    /// Extracts the data of a new credential from the attestation object (Level 3 §6.5.4).
    pub(super) fn within(attestation_object: &[u8]) -> Result<Vec<u8>, CeremonyFault> {
        let mut rest = attestation_object;
        let members = take_map(&mut rest)?;
        // Level 3 §6.5.4: exactly these three members.
        if !rest.is_empty() || members.len() != 3 {
            return Err(CeremonyFault::Malformed);
        }
        let member = |asked: &str| {
            let mut members = members.iter();
            let found = members.find(|(name, _)| name.as_text() == Some(asked));
            found.map(|(_, value)| value)
        };
        // Level 3 §8.7: the statement of format `none` is empty.
        let says_none = member("fmt").and_then(Value::as_text) == Some("none");
        let statement = member("attStmt").and_then(Value::as_map);
        if says_none && !statement.is_some_and(Vec::is_empty) {
            return Err(CeremonyFault::Contradictory);
        }
        let data = member("authData").and_then(Value::as_bytes);
        data.cloned().ok_or(CeremonyFault::Malformed)
    }

    /// The steps common to registration and sign-in: relying party, user presence and user verification.
    pub(super) fn check(&self, rp_id: &str) -> Result<CredentialState, CeremonyFault> {
        if self.rp_id_hash != digest(&SHA256, rp_id.as_bytes()).as_ref() {
            return Err(CeremonyFault::WrongRelyingParty);
        }
        let both = USER_PRESENT | USER_VERIFIED;
        if self.flags & both != both {
            return Err(CeremonyFault::UserNotVerified);
        }
        Ok(CredentialState {
            counter: self.counter,
            backup_eligible: self.flags & BACKUP_ELIGIBLE != 0,
            backed_up: self.flags & BACKED_UP != 0,
        })
    }
}

impl NewCredential<'_> {
    /// Level 3 §7.1 step 25.
    pub(super) const fn has_sane_id(&self) -> bool {
        !self.id.is_empty() && self.id.len() <= CredentialDigest::LONGEST_ID
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], CeremonyFault> {
    let (taken, left) = rest
        .split_at_checked(length)
        .ok_or(CeremonyFault::Malformed)?;
    *rest = left;
    Ok(taken)
}

fn take_array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], CeremonyFault> {
    let taken = take(rest, N)?;
    taken.try_into().map_err(|_| CeremonyFault::Malformed)
}

fn take_map(rest: &mut &[u8]) -> Result<Vec<(Value, Value)>, CeremonyFault> {
    let item = take_item(rest)?;
    let value: Value = ciborium::from_reader(item).map_err(|_| CeremonyFault::Malformed)?;
    value.into_map().map_err(|_| CeremonyFault::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(format: &str, statement: Value) -> Vec<u8> {
        let member = |name: &str, value| (Value::from(name), value);
        let object = Value::Map(vec![
            member("fmt", format.into()),
            member("attStmt", statement),
            member("authData", Value::Bytes(b"data".to_vec())),
        ]);
        let mut bytes = Vec::new();
        ciborium::into_writer(&object, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn whoever_states_nothing_states_nothing() {
        let something = Value::Map(vec![("alg".into(), (-7).into())]);
        let within = |object: &[u8]| AuthenticatorData::within(object);
        let data = Ok(b"data".to_vec());
        assert_eq!(within(&object("none", Value::Map(Vec::new()))), data);
        for statement in [something.clone(), Value::Null, Value::Bytes(Vec::new())] {
            let fault = Err(CeremonyFault::Contradictory);
            assert_eq!(within(&object("none", statement)), fault);
        }
        assert_eq!(within(&object("packed", something)), data, "the library's");
    }
}
