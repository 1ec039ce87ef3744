//! One's own passkeys.

use authentication_domain::{passkeys::PasskeyId, profiles::DisplayName};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Passkeys, stored::StoredCredential};
use crate::{
    Foundation,
    ports::{PasskeyRecord, SessionSnapshot, StoreError},
};

/// A passkey as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyView {
    /// Which.
    pub id: PasskeyId,
    /// What its owner calls it.
    pub name: Option<DisplayName>,
    /// When it was enrolled.
    pub created_at: OffsetDateTime,
    /// When it last signed its owner in.
    pub last_used_at: Option<OffsetDateTime>,
    /// Whether it may leave its device.
    pub backup_eligible: bool,
    /// Whether a copy was kept elsewhere when it was last used.
    pub backed_up: bool,
    /// The make of its device or password manager, if it told.
    pub aaguid: Option<Uuid>,
}

impl PasskeyView {
    pub(super) const fn of(
        record: &PasskeyRecord,
        credential: &StoredCredential,
        name: Option<DisplayName>,
    ) -> Self {
        Self {
            id: record.id,
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
    /// One's own passkeys, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    #[tracing::instrument(skip_all)]
    pub async fn list(&self, who: &SessionSnapshot) -> Result<Vec<PasskeyView>, StoreError> {
        let base = &self.base;
        let key = base.data_key(&who.owner)?;
        let records = base.store.list_passkeys(who.owner.account.id).await?;
        records
            .iter()
            .map(|record| {
                let credential = base.open_credential(&key, record)?;
                let name = base.open_passkey_name(&key, record)?;
                Ok(PasskeyView::of(record, &credential, name))
            })
            .collect()
    }
}

impl Foundation {
    /// Whether an account with so many passkeys gets no more.
    pub(super) fn has_enough(&self, passkeys: usize) -> bool {
        let most = self.rules.passkeys.most_per_account;
        usize::try_from(most).is_ok_and(|most| passkeys >= most)
    }
}
