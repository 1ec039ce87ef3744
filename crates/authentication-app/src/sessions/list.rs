//! Lists the account's own sessions.

use authentication_domain::sessions::SessionId;
use common::page::{Page, PageRequest};
use time::OffsetDateTime;

use super::{Sessions, begin::origin_field};
use crate::{
    Origin, corrupt,
    ports::{SessionSnapshot, StoreError},
};

/// A session as its owner's list shows it.
#[derive(Debug, Clone)]
pub struct SessionView {
    /// The session's id.
    pub session: SessionId,
    /// Whether it is the current session.
    pub is_current: bool,
    /// Where the session was begun from.
    pub origin: Origin,
    /// When it was begun.
    pub created_at: OffsetDateTime,
    /// When it was last refreshed.
    pub last_used_at: OffsetDateTime,
    /// When it ends unless used.
    pub expires_at: OffsetDateTime,
}

impl Sessions {
    /// The account's live sessions, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    #[tracing::instrument(skip_all)]
    pub async fn list(
        &self,
        who: &SessionSnapshot,
        page: &PageRequest<SessionId>,
    ) -> Result<Page<SessionView, SessionId>, StoreError> {
        let base = &self.base;
        let key = base.data_key(&who.owner)?;
        let listed = base
            .store
            .list_sessions(who.owner.account.id, page, base.clock.now())
            .await?;
        let mut items = Vec::with_capacity(listed.items.len());
        for summary in listed.items {
            let context = origin_field(summary.session.as_uuid());
            let plain = base.open_field(&key, context, &summary.origin)?;
            let origin: Origin = serde_json::from_slice(&plain)
                .map_err(|_| corrupt(context.table, context.column))?;
            items.push(SessionView {
                session: summary.session,
                is_current: summary.session == who.session,
                origin,
                created_at: summary.created_at,
                last_used_at: summary.last_used_at,
                expires_at: summary.idle_deadline,
            });
        }
        Ok(Page {
            items,
            next: listed.next,
        })
    }
}
