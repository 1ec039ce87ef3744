//! Under which digest something is counted while index keys change.

use authentication_domain::{accounts::Identifier, challenges::ChallengeRules};
use time::Duration;

use crate::{
    Foundation,
    ports::{IndexKeys, StoreError, SubjectWindows},
};

impl Foundation {
    /// The digests of an identifier; the subject is the one that is counted under.
    ///
    /// That is the digest under the current key, unless something that still matters is counted under the
    /// one before: then it stays that one, so that a change of keys forgets no failure, no guess and no
    /// message, and a code on its way stays the newest one. Nothing is asked while there is no earlier key.
    pub(crate) async fn index_keys(
        &self,
        identifier: &Identifier,
    ) -> Result<IndexKeys, StoreError> {
        let mut keys = self.index.keys_of(identifier);
        if keys.earlier_subjects.is_empty() {
            return Ok(keys);
        }
        let windows = SubjectWindows {
            failures: self.rules.lockout.window,
            tries: ChallengeRules::TRIES_WINDOW,
            messages: Duration::DAY,
        };
        let in_use = self
            .store
            .subject_in_use(&keys.earlier_subjects, windows, self.clock.now())
            .await?;
        if let Some(earlier) = in_use {
            keys.subject = earlier;
        }
        Ok(keys)
    }
}
