//! The digest under which an identifier's counters are stored while index keys rotate.

use authentication_domain::{accounts::Identifier, challenges::ChallengeRules};
use time::Duration;

use crate::{
    Foundation,
    ports::{IndexKeys, StoreError, SubjectWindows},
};

impl Foundation {
    /// The digests of an identifier; counters are stored under the subject.
    ///
    /// The subject is the digest under the current key, unless something relevant is still counted under an earlier
    /// one; then it stays the earlier one. So a key rotation forgets no failure, guess or message, and a code in
    /// transit stays the newest one. Sends no query while there is no earlier key.
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
