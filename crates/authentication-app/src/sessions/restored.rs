//! The follow-up to a database restore (ADR 0053), which must finish before the service answers from the restored
//! data.

use authentication_domain::{audit::Action, mfa::TotpRules, sessions::EndReason};
use serde_json::json;

use super::revoke::{Revocations, Revoked};
use crate::{
    ports::{Restore, SelectedSessions, SessionSelection, StoreError, Voided},
    retry::retrying,
};

/// The command's name in the audit log.
const COMMAND: &str = "backup restore";

/// Finishes restores.
pub struct Restores {
    revocations: Revocations,
}

/// The result of finishing one restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aftermath {
    /// The restore.
    pub restore: Restore,
    /// What was voided, not counting what an earlier run voided.
    pub voided: Voided,
    /// The sessions that were ended.
    pub ended: SelectedSessions,
}

impl Restores {
    /// Called once per run, by the composition root.
    pub const fn new(revocations: Revocations) -> Self {
        Self { revocations }
    }

    /// Records that the database was restored by other means than the service's own command.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn mark(&self, keeps_sessions: bool) -> Result<Restore, StoreError> {
        let now = self.revocations.now();
        let restore = Restore {
            id: self.revocations.by_hand(COMMAND).new_id(now),
            marked_at: now,
            keeps_sessions,
        };
        self.revocations.ports.store.mark_restored(&restore).await?;
        Ok(restore)
    }

    /// Completes all unfinished restores. May be stopped at any moment and repeated.
    ///
    /// # Errors
    /// [`StoreError`].
    #[tracing::instrument(skip_all)]
    pub async fn finish(&self) -> Result<Vec<Aftermath>, StoreError> {
        let mut finished = Vec::new();
        while let Some(restore) = self.revocations.ports.store.unfinished_restore().await? {
            finished.push(self.finish_one(restore).await?);
        }
        Ok(finished)
    }

    async fn finish_one(&self, restore: Restore) -> Result<Aftermath, StoreError> {
        let Revocations { ports, .. } = &self.revocations;
        // Every code used until now belongs to this step or an earlier one.
        let now = self.revocations.now();
        let last_step = TotpRules::last_step_at(now);
        let voided = retrying(|| ports.store.void_outstanding(&restore, last_step, now)).await?;
        let voided = voided.unwrap_or_default();
        let ended = if restore.keeps_sessions {
            self.revocations.tell_at_last(None).await?;
            SelectedSessions::default()
        } else {
            self.end_all().await?.ended
        };
        retrying(|| self.put_on_record(&restore, &voided, ended)).await?;
        let now = self.revocations.now();
        ports.store.finish_restore(restore.id, now).await?;
        Ok(Aftermath {
            restore,
            voided,
            ended,
        })
    }

    /// Ends every session, because the restored data no longer shows which ones were ended after the backup. No
    /// session begins meanwhile.
    async fn end_all(&self) -> Result<Revoked, StoreError> {
        let all = SessionSelection {
            begun_before: None,
            begun_since: None,
            role: None,
            account: None,
        };
        let why = "the database was restored";
        self.revocations
            .revoke(&all, (COMMAND, EndReason::Restored, why), |_| {})
            .await
    }

    async fn put_on_record(
        &self,
        restore: &Restore,
        voided: &Voided,
        ended: SelectedSessions,
    ) -> Result<(), StoreError> {
        let what = json!({
            "restore": restore.id,
            "keeps_sessions": restore.keeps_sessions,
            "sessions_ended": ended.sessions,
            "sessions_kept": voided.sessions_kept,
            "codes": voided.codes,
            "sign_ins": voided.sign_ins,
            "answers": voided.answers,
            "devices": voided.devices,
        });
        let by_hand = self.revocations.by_hand(COMMAND);
        let now = self.revocations.now();
        let entry = by_hand.entry(Action::DatabaseRestored, (None, None), &what, now);
        let mut unit = self.revocations.ports.store.begin().await?;
        unit.audit().append(&[entry]).await?;
        unit.commit().await
    }
}
