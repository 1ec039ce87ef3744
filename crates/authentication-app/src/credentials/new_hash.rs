//! The hash of a new password, if it is good enough.

use authentication_domain::{
    accounts::Identifier,
    credentials::{PasswordHash, PlainPassword, Weakness},
};

use crate::{Foundation, ports::HashError};

impl Foundation {
    /// The end of the policy and the hash: an estimate and a hash, both on the pool of the hasher.
    ///
    /// Called last, after whatever a stranger has to show and after the cheap part of the policy
    /// ([`PasswordPolicy::check`](authentication_domain::credentials::PasswordPolicy::check) and
    /// [`check_owner`](authentication_domain::credentials::PasswordPolicy::check_owner)), so that nobody has us
    /// compute for a request that leads nowhere.
    pub(crate) async fn hash_if_strong<E>(
        &self,
        password: &PlainPassword,
        owner: &Identifier,
    ) -> Result<PasswordHash, E>
    where
        E: From<Weakness> + From<HashError>,
    {
        let policy = &self.rules.passwords;
        let guessed_first = policy.guessed_first(owner);
        let strength = self.hasher.estimate(password, guessed_first).await?;
        policy.check_strength(strength)?;
        Ok(self.hasher.hash(password).await?)
    }
}
