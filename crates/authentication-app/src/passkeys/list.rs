//! Lists one's own passkeys.

use std::fmt;

use authentication_domain::{
    passkeys::{PasskeyId, UserHandle},
    profiles::DisplayName,
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Passkeys, stored::StoredCredential};
use crate::{
    Foundation,
    ports::{PasskeyRecord, SessionSnapshot, StoreError},
};

/// All passkeys of an account, with what a page needs to inform devices about them (Level 3 §5.1.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyList {
    /// The relying party id: the domain that they belong to.
    pub rp_id: String,
    /// The user handle, which devices store with them.
    pub user_handle: UserHandle,
    /// Oldest first.
    pub passkeys: Vec<PasskeyView>,
}

/// A credential id, by which devices know a passkey.
#[derive(Clone, PartialEq, Eq)]
pub struct CredentialId(pub Vec<u8>);

impl fmt::Debug for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialId(…)")
    }
}

/// A passkey as its owner's list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyView {
    /// The id that the service uses.
    pub id: PasskeyId,
    /// The id that devices use.
    pub credential_id: CredentialId,
    /// The name that its owner gave it.
    pub name: Option<DisplayName>,
    /// When it was enrolled.
    pub created_at: OffsetDateTime,
    /// When it last signed its owner in.
    pub last_used_at: Option<OffsetDateTime>,
    /// Whether it may be copied to other devices.
    pub backup_eligible: bool,
    /// Whether a copy existed elsewhere when it was last used.
    pub backed_up: bool,
    /// The model of its device or password manager, if reported.
    pub aaguid: Option<Uuid>,
}

impl PasskeyView {
    pub(super) fn of(
        record: &PasskeyRecord,
        credential: &StoredCredential,
        name: Option<DisplayName>,
    ) -> Self {
        Self {
            id: record.id,
            credential_id: CredentialId(credential.id.clone()),
            name,
            created_at: record.created_at,
            last_used_at: record.last_used_at,
            backup_eligible: credential.backup_eligible,
            backed_up: credential.backed_up,
            aaguid: credential.aaguid,
        }
    }
}

impl Passkeys {
    /// The account's passkeys, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    #[tracing::instrument(skip_all)]
    pub async fn list(&self, who: &SessionSnapshot) -> Result<PasskeyList, StoreError> {
        let base = &self.base;
        let account = who.owner.account.id;
        let key = base.data_key(&who.owner)?;
        let records = base.store.list_passkeys(account).await?;
        let views = records.iter().map(|record| {
            let credential = base.open_credential(&key, record)?;
            let name = base.open_passkey_name(&key, record)?;
            Ok(PasskeyView::of(record, &credential, name))
        });
        Ok(PasskeyList {
            rp_id: base.relying_party.id().to_owned(),
            user_handle: base.user_handle(account),
            passkeys: views.collect::<Result<_, StoreError>>()?,
        })
    }

    /// The origins of the pages that may ask for passkeys, for browsers on a related domain (Level 3 §5.11.1).
    pub fn pages(&self) -> &[String] {
        self.base.relying_party.pages()
    }
}

impl Foundation {
    /// Whether an account with this many passkeys may add no more.
    pub(super) fn has_enough(&self, passkeys: usize) -> bool {
        let most = self.rules.passkeys.most_per_account;
        usize::try_from(most).is_ok_and(|most| passkeys >= most)
    }
}
