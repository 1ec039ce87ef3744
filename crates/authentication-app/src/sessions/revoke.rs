//! Mass revocation: an operator ends the sessions of many accounts, in batches, with audit entries and events.
//!
//! It may be stopped at any moment and repeated: each batch is one commit, and ended sessions are not selected
//! again.

use std::{collections::HashSet, sync::Arc};

use authentication_domain::{
    accounts::AccountId,
    audit::Action,
    events::Event,
    sessions::{EndReason, SessionId},
};
use common::{Clock, RequestId, SecureRandom};
use serde_json::json;
use time::OffsetDateTime;

use crate::{
    by_hand::ByHand,
    ports::{
        CacheError, Invalidation, Revocation, RevocationStore, RevokedSession, SelectedSessions,
        SessionCache, SessionSelection, StoreError, Vault,
    },
    retry::retrying,
};

/// The number of sessions that one commit ends: small, to keep its locks short.
const BATCH: u32 = 500;

/// The ports that mass revocation needs. The only keys are those that seal audit entries.
pub struct RevocationPorts {
    /// The relational store.
    pub store: Arc<dyn RevocationStore>,
    /// The cache shared by all nodes, if there is one: through it, they learn of revocations at once.
    pub shared: Option<Arc<dyn SessionCache>>,
    /// Seals the audit entries.
    pub vault: Arc<dyn Vault>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of randomness.
    pub random: Arc<dyn SecureRandom>,
}

/// Ends the sessions of many accounts.
pub struct Revocations {
    pub(super) ports: RevocationPorts,
    /// The request id in every audit entry and event of this run.
    pub(super) run: RequestId,
}

/// The result of a mass revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revoked {
    /// The number of ended sessions, and of accounts that owned them.
    pub ended: SelectedSessions,
    /// Whether the shared cache received all invalidations. If not, nodes may serve an ended session for the TTL of
    /// that cache.
    pub told: bool,
}

impl Revocations {
    /// Called once per run, by the composition root.
    pub const fn new(ports: RevocationPorts, run: RequestId) -> Self {
        Self { ports, run }
    }

    /// The number of live sessions that a selection matches.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count(
        &self,
        selection: &SessionSelection,
    ) -> Result<SelectedSessions, StoreError> {
        self.ports.store.count_selected(selection).await
    }

    /// Ends the selected sessions. `why` is recorded as it is, and must name no person; `progress` is called after
    /// each batch with the number of sessions ended so far.
    ///
    /// # Errors
    /// [`StoreError`]; batches that were committed before stay committed.
    #[tracing::instrument(skip_all)]
    pub async fn revoke(
        &self,
        selection: &SessionSelection,
        (command, reason, why): (&str, EndReason, &str),
        mut progress: impl FnMut(u64) + Send,
    ) -> Result<Revoked, StoreError> {
        let mut accounts = HashSet::new();
        let (mut sessions, mut told) = (0, true);
        let mut after = None;
        let mut of_this_pass = 0;
        loop {
            let ended =
                retrying(|| self.end_batch((command, why), selection, after, reason)).await?;
            let Some(last) = ended.last() else {
                // A concurrent run may have locked the next batch, and may or may not end it.
                if of_this_pass == 0 && self.count(selection).await?.sessions == 0 {
                    break;
                }
                // A session with an earlier id may have been committed after this pass had gone past it.
                (after, of_this_pass) = (None, 0);
                continue;
            };
            after = Some(last.session);
            of_this_pass += ended.len();
            sessions += ended.len() as u64;
            accounts.extend(ended.iter().map(|it| it.account));
            told &= self.tell(&ended).await.is_ok();
            progress(sessions);
        }
        told &= self.tell_at_last(selection.account).await?;
        let accounts = accounts.len() as u64;
        Ok(Revoked {
            ended: SelectedSessions { sessions, accounts },
            told,
        })
    }

    async fn end_batch(
        &self,
        (command, why): (&str, &str),
        selection: &SessionSelection,
        after: Option<SessionId>,
        reason: EndReason,
    ) -> Result<Vec<RevokedSession>, StoreError> {
        let now = self.ports.clock.now();
        let revocation = Revocation {
            selection,
            after,
            at_most: BATCH,
            reason,
        };
        let mut unit = self.ports.store.begin().await?;
        let ended = unit.sessions().end_selected(revocation, now).await?;
        if ended.is_empty() {
            return Ok(ended);
        }
        let by_hand = self.by_hand(command);
        let what = json!({"reason": why, "end_reason": reason.as_str()});
        let entries: Vec<_> = ended
            .iter()
            .map(|it| {
                let whose = (Some(it.account), Some(it.session));
                by_hand.entry(Action::SessionEnded, whose, &what, now)
            })
            .collect();
        unit.audit().append(&entries).await?;
        let events: Vec<_> = ended
            .iter()
            .map(|it| Event::SessionEnded {
                account: it.account,
                session: it.session,
                reason,
            })
            .map(|event| by_hand.event(event, now))
            .collect();
        unit.outbox().append_events(&events).await?;
        let committed = unit.commit().await;
        if committed.is_err() {
            // The commit may have succeeded nevertheless, and a repetition would find nothing to announce.
            let _ = self.tell(&ended).await;
        }
        committed.map(|()| ended)
    }

    async fn tell(&self, ended: &[RevokedSession]) -> Result<(), CacheError> {
        let Some(shared) = &self.ports.shared else {
            return Ok(());
        };
        let sessions = ended.iter().map(|it| it.session);
        shared
            .invalidate(&Invalidation::of_sessions(sessions))
            .await
    }

    /// Also covers sessions that an earlier run ended before it was stopped and could announce them.
    pub(super) async fn tell_at_last(
        &self,
        account: Option<AccountId>,
    ) -> Result<bool, StoreError> {
        self.ports.store.announce_revocations().await?;
        let Some(shared) = &self.ports.shared else {
            return Ok(true);
        };
        let told = match account {
            Some(account) => shared.invalidate(&Invalidation::of_account(account)).await,
            None => shared.clear().await,
        };
        Ok(told.is_ok())
    }

    pub(super) fn by_hand<'a>(&'a self, command: &'a str) -> ByHand<'a> {
        ByHand {
            vault: self.ports.vault.as_ref(),
            random: self.ports.random.as_ref(),
            run: &self.run,
            command,
        }
    }

    pub(super) fn now(&self) -> OffsetDateTime {
        self.ports.clock.now()
    }
}
