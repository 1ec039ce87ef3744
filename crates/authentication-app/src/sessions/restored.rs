//! What follows when the database was put back to an earlier state (ADR 0053), before anything is served from it.

use authentication_domain::{audit::Action, mfa::TotpRules, sessions::EndReason};
use serde_json::json;

use super::revoke::{Revocations, Revoked};
use crate::{
    ports::{Restore, SelectedSessions, SessionSelection, StoreError, Voided},
    retry::retrying,
};

/// As the trail names it.
const COMMAND: &str = "backup restore";

/// Finishes restores.
pub struct Restores {
    revocations: Revocations,
}

/// What was done after a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aftermath {
    /// After which.
    pub restore: Restore,
    /// What was voided; what another run voided before is not counted.
    pub voided: Voided,
    /// Sessions that ended.
    pub ended: SelectedSessions,
}

impl Restores {
    /// Built once by the composition root, for one run.
    pub const fn new(revocations: Revocations) -> Self {
        Self { revocations }
    }

    /// Notes that the database was put back by other means than the service's own.
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

    /// Does what is left to be done for restores that are not finished. May be stopped and repeated at any moment.
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
        // A code that was used until now is of this step at the latest.
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

    /// Whether a session was ended after the backup is lost with everything else. None begins meanwhile.
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
