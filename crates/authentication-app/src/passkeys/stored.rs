//! A passkey's data, as sealed under its owner's key.

use authentication_domain::{
    accounts::AccountId,
    passkeys::{CredentialState, PasskeyId, UserHandle},
    profiles::DisplayName,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    Foundation, corrupt,
    ports::{
        AllowedCredential, DataKey, EnrolledCredential, FieldContext, PasskeyRecord, Sealed,
        StoreError,
    },
};

/// The credential (`passkeys.credential`). Its counter has a separate column, because the store compares it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct StoredCredential {
    #[serde(with = "hexadecimal")]
    pub(super) id: Vec<u8>,
    pub(super) material: String,
    pub(super) backup_eligible: bool,
    pub(super) backed_up: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) aaguid: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) transports: Vec<String>,
}

impl StoredCredential {
    pub(super) fn new(enrolled: EnrolledCredential) -> Self {
        Self {
            id: enrolled.id,
            material: enrolled.material,
            backup_eligible: enrolled.state.backup_eligible,
            backed_up: enrolled.state.backed_up,
            aaguid: enrolled.aaguid,
            transports: enrolled.transports,
        }
    }

    pub(super) const fn state(&self, counter: u32) -> CredentialState {
        CredentialState {
            counter,
            backup_eligible: self.backup_eligible,
            backed_up: self.backed_up,
        }
    }

    pub(super) fn allowed(self) -> AllowedCredential {
        AllowedCredential {
            id: self.id,
            transports: self.transports,
        }
    }
}

impl Foundation {
    /// The user handle that devices store with the passkeys of an account. It is derived from the account alone,
    /// under a key that is never rotated, and cannot be traced back to the account without that key.
    pub(super) fn user_handle(&self, account: AccountId) -> UserHandle {
        let account = account.as_uuid();
        let named = [b"passkey user handle ".as_slice(), account.as_bytes()].concat();
        let fingerprint = self.vault.lasting_fingerprint(&named);
        let mut handle = [0; 16];
        handle
            .iter_mut()
            .zip(fingerprint)
            .for_each(|(byte, from)| *byte = from);
        UserHandle(handle)
    }

    pub(super) fn seal_credential(
        &self,
        key: &DataKey,
        passkey: PasskeyId,
        credential: &StoredCredential,
    ) -> Sealed {
        let plain = Zeroizing::new(serde_json::to_vec(credential).unwrap_or_default());
        self.vault.seal(key, field("credential", passkey), &plain)
    }

    pub(super) fn open_credential(
        &self,
        key: &DataKey,
        record: &PasskeyRecord,
    ) -> Result<StoredCredential, StoreError> {
        let context = field("credential", record.id);
        let plain = self.open_field(key, context, &record.credential)?;
        serde_json::from_slice(&plain).map_err(|_| corrupt(context.table, context.column))
    }

    pub(super) fn seal_passkey_name(
        &self,
        key: &DataKey,
        passkey: PasskeyId,
        name: &DisplayName,
    ) -> Sealed {
        self.vault
            .seal(key, field("name", passkey), name.as_str().as_bytes())
    }

    pub(super) fn open_passkey_name(
        &self,
        key: &DataKey,
        record: &PasskeyRecord,
    ) -> Result<Option<DisplayName>, StoreError> {
        let context = field("name", record.id);
        let open = |sealed: &Sealed| {
            let plain = self.open_field(key, context, sealed)?;
            str::from_utf8(&plain)
                .ok()
                .and_then(|text| DisplayName::parse(text).ok())
                .ok_or_else(|| corrupt(context.table, context.column))
        };
        record.name.as_ref().map(open).transpose()
    }
}

const fn field(column: &'static str, passkey: PasskeyId) -> FieldContext {
    FieldContext {
        table: "passkeys",
        column,
        row: passkey.as_uuid(),
    }
}

/// Serializes bytes as hexadecimal text.
mod hexadecimal {
    use std::fmt::Write as _;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(bytes.len() * 2);
        for byte in bytes {
            // Writing to a String does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        to.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        let pairs = text.as_bytes().chunks(2);
        pairs
            .map(|pair| {
                let pair = str::from_utf8(pair).ok().filter(|pair| pair.len() == 2);
                pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())
                    .ok_or_else(|| D::Error::custom("not hexadecimal"))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_survives_the_store() {
        let credential = StoredCredential {
            id: vec![0, 1, 0xfe, 0xff],
            material: "{}".to_owned(),
            backup_eligible: true,
            backed_up: false,
            aaguid: Some(Uuid::from_u128(7)),
            transports: vec!["internal".to_owned()],
        };
        let text = serde_json::to_string(&credential).unwrap();
        assert!(text.contains("0001feff"), "{text}");
        let read: StoredCredential = serde_json::from_str(&text).unwrap();
        assert_eq!(read.id, credential.id);
        assert_eq!(read.aaguid, credential.aaguid);
        assert_eq!(read.state(9), credential.state(9));
        for broken in ["0", "0g", "é0"] {
            let text = text.replace("0001feff", broken);
            assert!(serde_json::from_str::<StoredCredential>(&text).is_err());
        }
    }
}
