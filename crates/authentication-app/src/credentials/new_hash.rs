//! Hashing a new password that satisfies the policy.

use authentication_domain::{
    accounts::Identifier,
    credentials::{PasswordHash, PlainPassword, Weakness},
};

use crate::{Foundation, ports::HashError};

impl Foundation {
    /// The last part of the policy, then the hash: a strength estimate and a hash, both on the hasher's pool.
    ///
    /// Called last: after the requester's proof, and after the cheap part of the policy
    /// ([`PasswordPolicy::check`](authentication_domain::credentials::PasswordPolicy::check) and
    /// [`check_owner`](authentication_domain::credentials::PasswordPolicy::check_owner)), so that an unauthorised
    /// request cannot trigger expensive computation.
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
