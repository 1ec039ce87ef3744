//! An account as its owner sees it.

use authentication_domain::{
    accounts::{Account, AccountId, Identifier},
    mfa::SecondFactors,
    profiles::Profile,
};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Accounts;
use crate::{
    Foundation, corrupt,
    ports::{
        AccountRecord, DataKey, FieldContext, Sealed, SessionSnapshot, StoreError, Subject, Vault,
        Wallet,
    },
};

/// An account in clear, for its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountView {
    /// The account's id, state and roles.
    pub account: Account,
    /// The identifier that they sign in with.
    pub identifier: Identifier,
    /// The profile.
    pub profile: Profile,
    /// The balance.
    pub wallet: Wallet,
    /// The second factors that are set up.
    pub second_factors: SecondFactors,
}

/// An account in clear, with its data key.
pub(crate) struct OpenedAccount {
    pub(crate) view: AccountView,
    pub(crate) key: DataKey,
}

impl OpenedAccount {
    pub(crate) const fn id(&self) -> AccountId {
        self.view.account.id
    }
}

impl Accounts {
    /// The account behind a session. Reads nothing: the snapshot holds it all.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a stored value does not open.
    pub fn view(&self, snapshot: &SessionSnapshot) -> Result<AccountView, StoreError> {
        self.base.open_account(&snapshot.owner).map(|it| it.view)
    }
}

/// Opens the identifier that an account's owner signs in with.
pub(crate) fn open_identifier(
    vault: &dyn Vault,
    account: AccountId,
    key: &DataKey,
    sealed: &Sealed,
) -> Result<Identifier, StoreError> {
    let context = identifier_field(account);
    let unreadable = || corrupt(context.table, context.column);
    let plain = vault.open(key, context, sealed).map_err(|_| unreadable())?;
    std::str::from_utf8(&plain)
        .ok()
        .and_then(|text| Identifier::from_stored(text).ok())
        .ok_or_else(unreadable)
}

impl Foundation {
    pub(crate) fn data_key(&self, record: &AccountRecord) -> Result<DataKey, StoreError> {
        self.vault
            .unwrap_key(record.account.id, &record.wrapped_key)
            .map_err(|_| corrupt("account_keys", "wrapped_key"))
    }

    pub(crate) fn open_account(&self, record: &AccountRecord) -> Result<OpenedAccount, StoreError> {
        let key = self.data_key(record)?;
        let view = AccountView {
            account: record.account.clone(),
            identifier: open_identifier(
                self.vault.as_ref(),
                record.account.id,
                &key,
                &record.identifier,
            )?,
            profile: self.open_profile(record, &key)?,
            wallet: record.wallet,
            second_factors: record.second_factors,
        };
        Ok(OpenedAccount { view, key })
    }

    /// Opens the account found by this identifier's digest (ADR 0046). If the digest does not match the sealed
    /// identifier, an old value was put back or another row's was inserted: such an account is neither signed in to
    /// nor sent messages.
    pub(crate) fn open_found(
        &self,
        record: &AccountRecord,
        subject: Subject,
    ) -> Result<OpenedAccount, StoreError> {
        let opened = self.open_account(record)?;
        if self.is_found_by(&opened, subject) {
            return Ok(opened);
        }
        let account = opened.id();
        tracing::error!(%account, "an identifier is not the one that its account is found by");
        let field = identifier_field(account);
        Err(corrupt(field.table, field.column))
    }

    /// Whether this is the digest of the account's own identifier, under any live key.
    pub(crate) fn is_found_by(&self, opened: &OpenedAccount, subject: Subject) -> bool {
        let keys = self.index.keys_of(&opened.view.identifier);
        let mut entries = keys.entries.iter();
        keys.subject == subject
            || keys.earlier_subjects.contains(&subject)
            || entries.any(|entry| entry.digest == subject.0)
    }

    /// Whether looking up the account's identifier finds this account now. One statement.
    pub(crate) async fn is_found_by_its_identifier(
        &self,
        opened: &OpenedAccount,
    ) -> Result<bool, StoreError> {
        let subject = self.index.keys_of(&opened.view.identifier).subject;
        let found = self.store.find_by_subject(subject).await?;
        Ok(found.is_some_and(|found| found.account.id == opened.id()))
    }

    /// The current account, in clear.
    pub(crate) async fn read_account(
        &self,
        account: AccountId,
    ) -> Result<Option<OpenedAccount>, StoreError> {
        let found = self.store.credentials_of(account).await?;
        found
            .map(|(record, _)| self.open_account(&record))
            .transpose()
    }

    fn open_profile(&self, record: &AccountRecord, key: &DataKey) -> Result<Profile, StoreError> {
        let context = profile_field(record.account.id);
        let plain = self.open_field(key, context, &record.profile)?;
        serde_json::from_slice(&plain).map_err(|_| corrupt(context.table, context.column))
    }

    pub(crate) fn open_field(
        &self,
        key: &DataKey,
        context: FieldContext,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        self.vault
            .open(key, context, sealed)
            .map_err(|_| corrupt(context.table, context.column))
    }

    pub(crate) fn seal_profile(
        &self,
        account: AccountId,
        key: &DataKey,
        profile: &Profile,
    ) -> Sealed {
        seal_profile(self.vault.as_ref(), account, key, profile)
    }
}

pub(super) fn seal_identifier(
    vault: &dyn Vault,
    account: AccountId,
    key: &DataKey,
    identifier: &Identifier,
) -> Sealed {
    let plain = Zeroizing::new(identifier.to_text());
    vault.seal(key, identifier_field(account), plain.as_bytes())
}

pub(super) fn seal_profile(
    vault: &dyn Vault,
    account: AccountId,
    key: &DataKey,
    profile: &Profile,
) -> Sealed {
    let plain = Zeroizing::new(serde_json::to_vec(profile).unwrap_or_default());
    vault.seal(key, profile_field(account), &plain)
}

const fn identifier_field(account: AccountId) -> FieldContext {
    field("accounts", "identifier", account.as_uuid())
}

const fn profile_field(account: AccountId) -> FieldContext {
    field("profiles", "document", account.as_uuid())
}

const fn field(table: &'static str, column: &'static str, row: Uuid) -> FieldContext {
    FieldContext { table, column, row }
}
