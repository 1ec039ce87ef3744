//! Renaming a passkey.

use authentication_domain::{
    audit::{Action, Diff, Outcome},
    passkeys::PasskeyId,
    profiles::DisplayName,
};
use serde_json::json;

use super::{PasskeyView, Passkeys};
use crate::{
    RequestContext,
    ports::{SessionSnapshot, StoreError},
    recorder::Act,
    retry::{retry_on_store_error, retrying},
};

/// Why the passkey was not renamed.
#[derive(Debug, thiserror::Error)]
pub enum RenamePasskeyError {
    /// There is no such passkey, or it belongs to another account.
    #[error("there is no such passkey")]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
retry_on_store_error!(RenamePasskeyError);

impl Passkeys {
    /// Renames one of the account's passkeys, or removes its name.
    ///
    /// # Errors
    /// [`RenamePasskeyError`].
    #[tracing::instrument(skip_all)]
    pub async fn rename(
        &self,
        who: &SessionSnapshot,
        passkey: PasskeyId,
        name: Option<&DisplayName>,
        ctx: &RequestContext,
    ) -> Result<PasskeyView, RenamePasskeyError> {
        retrying(|| self.rename_once(who, passkey, name, ctx)).await
    }

    async fn rename_once(
        &self,
        who: &SessionSnapshot,
        passkey: PasskeyId,
        name: Option<&DisplayName>,
        ctx: &RequestContext,
    ) -> Result<PasskeyView, RenamePasskeyError> {
        let base = &self.base;
        let now = base.clock.now();
        let account = who.owner.account.id;
        let key = base.data_key(&who.owner)?;
        let records = base.store.list_passkeys(account).await?;
        let record = records
            .iter()
            .find(|record| record.id == passkey)
            .ok_or(RenamePasskeyError::NotFound)?;
        let credential = base.open_credential(&key, record)?;
        let before = base.open_passkey_name(&key, record)?;
        let view = PasskeyView::of(record, &credential, name.cloned());
        let diff = Diff::between(&json!({"name": before}), &json!({"name": name}));
        if diff.is_empty() {
            return Ok(view);
        }
        let sealed = name.map(|name| base.seal_passkey_name(&key, passkey, name));
        let mut unit = base.begin_as(who, now).await?;
        let renamed = unit
            .passkeys()
            .rename(account, passkey, sealed.as_ref())
            .await?;
        if !renamed {
            return Err(RenamePasskeyError::NotFound);
        }
        let act = Act::of(Action::PasskeyRenamed, Outcome::Success, account, &key)
            .session(who.session)
            .diff(diff);
        unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        unit.commit().await?;
        Ok(view)
    }
}
