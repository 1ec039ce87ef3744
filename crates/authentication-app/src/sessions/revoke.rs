//! Ending the sessions of many accounts: an operator's act, in batches, with trail and events.
//!
//! It may be stopped and repeated at any moment: each batch is one commit, and what has ended is not selected again.

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

/// Sessions that one commit ends: few enough that nobody waits long for it.
const BATCH: u32 = 500;

/// What mass revocation stands on: no keys but those of the trail.
pub struct RevocationPorts {
    /// The relational store.
    pub store: Arc<dyn RevocationStore>,
    /// The cache that all nodes share, where there is one: it tells them at once.
    pub shared: Option<Arc<dyn SessionCache>>,
    /// Seals what the trail keeps of it.
    pub vault: Arc<dyn Vault>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn SecureRandom>,
}

/// Ends sessions of many accounts.
pub struct Revocations {
    pub(super) ports: RevocationPorts,
    /// In every entry and event of this run.
    pub(super) run: RequestId,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revoked {
    /// Sessions that ended, and accounts that they were of.
    pub ended: SelectedSessions,
    /// Whether the shared cache heard of all of it. If not, nodes may believe in it for as long as it keeps a session.
    pub told: bool,
}

impl Revocations {
    /// Built once by the composition root, for one run.
    pub const fn new(ports: RevocationPorts, run: RequestId) -> Self {
        Self { ports, run }
    }

    /// How many live sessions a selection means.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count(
        &self,
        selection: &SessionSelection,
    ) -> Result<SelectedSessions, StoreError> {
        self.ports.store.count_selected(selection).await
    }

    /// Ends them. `why` goes on record as it is, and names nobody; `progress` hears after each batch how many ended.
    ///
    /// # Errors
    /// [`StoreError`]: batches that were committed before stay.
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
                // A rival may hold the next batch, and end it or not.
                if of_this_pass == 0 && self.count(selection).await?.sessions == 0 {
                    break;
                }
                // A session that began before may have been committed behind us.
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
            // It may be true all the same, and whoever repeats it finds nothing to tell.
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

    /// Also what an earlier run ended that was stopped before it could tell anybody.
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
