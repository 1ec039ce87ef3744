//! A new account before it is inserted.

use authentication_domain::{
    accounts::{Account, AccountId, AccountStatus, Identifier, SignUpMethod},
    credentials::PasswordHash,
    mfa::SecondFactors,
    profiles::Profile,
};
use common::{access::Roles, money::Money, timestamps::Timestamps};

use super::{
    AccountView, OpenedAccount,
    view::{seal_identifier, seal_profile},
};
use crate::ports::{AccountRecord, IdentifierIndex, NewAccount, Vault};

/// Everything that defines a new account.
pub(crate) struct AccountDraft {
    pub(crate) id: AccountId,
    pub(crate) identifier: Identifier,
    pub(crate) sign_up_method: SignUpMethod,
    pub(crate) status: AccountStatus,
    pub(crate) roles: Roles,
    pub(crate) profile: Profile,
    pub(crate) wallet: Money,
    pub(crate) password: Option<PasswordHash>,
    pub(crate) timestamps: Timestamps,
}

impl AccountDraft {
    /// The account in clear, and its row, sealed under a new data key.
    pub(crate) fn seal(
        self,
        vault: &dyn Vault,
        index: &dyn IdentifierIndex,
    ) -> (OpenedAccount, NewAccount) {
        let account = Account {
            id: self.id,
            sign_up_method: self.sign_up_method,
            status: self.status,
            roles: self.roles,
            version: 1,
            timestamps: self.timestamps,
        };
        let (key, wrapped_key) = vault.new_data_key(account.id);
        let row = NewAccount {
            record: AccountRecord {
                account: account.clone(),
                wrapped_key,
                identifier: seal_identifier(vault, account.id, &key, &self.identifier),
                profile: seal_profile(vault, account.id, &key, &self.profile),
                profile_version: 1,
                wallet: self.wallet,
                second_factors: SecondFactors::default(),
            },
            index: index.keys_of(&self.identifier),
            password: self.password,
        };
        let view = AccountView {
            account,
            identifier: self.identifier,
            profile: self.profile,
            wallet: self.wallet,
            second_factors: SecondFactors::default(),
        };
        (OpenedAccount { view, key }, row)
    }
}
