//! Reads of sessions, and rotation, which is a single statement on the pool.

use async_trait::async_trait;
use authentication_app::ports::{
    RotatedSession, SessionQueries, SessionSnapshot, SessionSummary, StoreError,
};
use authentication_domain::{
    accounts::AccountId,
    sessions::{RotationRules, SessionId},
};
use common::page::{Page, PageRequest};
use time::OffsetDateTime;

use crate::{
    account_record::{account_columns, account_of, account_parts},
    sessions::{
        SESSIONS, counting, generation_counts, live, no_proof_ended, proof_columns, proofs_of,
        rotated_columns, rotated_of,
    },
    sql::{Row, Sql},
    store::Store,
};

/// By the primary keys of `sessions`, `accounts` and its parts. `$1` session, `$2` now.
const FIND_SNAPSHOT: &str = concat!(
    "SELECT COALESCE(proven_generation, 0) AS proven_generation, idle_deadline, absolute_deadline, ",
    proof_columns!(),
    ", ",
    account_columns!(),
    " FROM sessions JOIN accounts a ON a.id = sessions.account_id",
    account_parts!(),
    "WHERE sessions.id = $1 AND a.status = 'active' AND ",
    counting!("$2")
);

/// By `sessions_of_account_idx`, in descending order. `$1` account, `$2` now, `$3` cursor, `$4` most rows.
const LIST_SESSIONS: &str = concat!(
    "SELECT id, origin, created_at, last_used_at, idle_deadline FROM sessions \
     WHERE account_id = $1 AND ",
    live!("$2"),
    " AND ($3 IS NULL OR id < $3) ORDER BY id DESC LIMIT $4"
);

macro_rules! rotate {
    ($agrees:expr) => {
        concat!(
            "UPDATE sessions SET \
             generation = CASE WHEN generation = $2 THEN generation + 1 ELSE generation END, \
             rotated_at = CASE WHEN generation = $2 THEN $3 ELSE rotated_at END, \
             last_used_at = CASE WHEN generation = $2 AND $3 > last_used_at \
             THEN $3 ELSE last_used_at END, \
             idle_deadline = CASE WHEN generation <> $2 THEN idle_deadline \
             WHEN $3 + idle_micros < absolute_deadline \
             THEN $3 + idle_micros ELSE absolute_deadline END \
             WHERE id = $1 AND ",
            counting!("$3"),
            " AND ",
            generation_counts!(),
            $agrees,
            " AND EXISTS (SELECT 1 FROM accounts a \
             WHERE a.id = sessions.account_id AND a.status = 'active') \
             RETURNING ",
            rotated_columns!()
        )
    };
}

/// Rotation: the only statement of a refresh. Public, so that benchmarks can measure it alone.
///
/// By the primary keys of `sessions` and `accounts`; changes no indexed column. A repetition writes the existing
/// values: of any number of concurrent refreshes, all get the rotation of the first.
pub const ROTATE: &str = rotate!("");

/// The same on PostgreSQL for a node that follows the server's clock: `$5` how far the node knows to be ahead of it. A
/// node that is off by more than five seconds writes nothing: the grace time would begin, or end, at the wrong moment.
const ROTATE_IN_TIME: &str = rotate!(
    " AND abs($3 - $5 - (extract(epoch FROM statement_timestamp()) * 1000000)::bigint) <= 5000000"
);

#[async_trait]
impl SessionQueries for Store {
    #[tracing::instrument(name = "sessions.find_snapshot", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn find_snapshot(
        &self,
        session: SessionId,
        now: OffsetDateTime,
    ) -> Result<Option<SessionSnapshot>, StoreError> {
        let row = Sql::new(FIND_SNAPSHOT)
            .bind(&session)
            .bind(&now)
            .row(&self.readers)
            .await?;
        row.map(|row| {
            Ok(SessionSnapshot {
                session,
                owner: account_of(&row)?,
                proofs: proofs_of(&row)?,
                proven_generation: row.get(SESSIONS, "proven_generation")?,
                presented_generation: 0,
                idle_deadline: row.get(SESSIONS, "idle_deadline")?,
                absolute_deadline: row.get(SESSIONS, "absolute_deadline")?,
            })
        })
        .transpose()
    }

    #[tracing::instrument(name = "sessions.list_sessions", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn list_sessions(
        &self,
        account: AccountId,
        page: &PageRequest<SessionId>,
        now: OffsetDateTime,
    ) -> Result<Page<SessionSummary, SessionId>, StoreError> {
        let rows_to_read = i64::try_from(page.rows_to_read()).unwrap_or(i64::MAX);
        let rows = Sql::new(LIST_SESSIONS)
            .bind(&account)
            .bind(&now)
            .bind(&page.after)
            .bind(&rows_to_read)
            .rows(&self.readers)
            .await?;
        let sessions: Vec<_> = rows.iter().map(summary_of).collect::<Result<_, _>>()?;
        Ok(Page::from_rows(sessions, page, |summary| summary.session))
    }

    #[tracing::instrument(name = "sessions.rotate", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn rotate(
        &self,
        session: SessionId,
        presented: u32,
        rules: RotationRules,
        now: OffsetDateTime,
    ) -> Result<Option<RotatedSession>, StoreError> {
        let ahead = self.ahead_of_the_server();
        let statement = Sql::new(if ahead.is_some() {
            ROTATE_IN_TIME
        } else {
            ROTATE
        })
        .bind(&session)
        .bind(&presented)
        .bind(&now)
        .bind(&rules.grace);
        let statement = match &ahead {
            Some(ahead) => statement.bind(ahead),
            None => statement,
        };
        let row = statement.row(&self.writer).await?;
        if row.is_none() {
            // The caller may end the session as a consequence, so the time has to be right.
            self.make_sure_of(now).await?;
        }
        row.as_ref().map(rotated_of).transpose()
    }
}

fn summary_of(row: &Row) -> Result<SessionSummary, StoreError> {
    Ok(SessionSummary {
        session: row.get(SESSIONS, "id")?,
        origin: row.get(SESSIONS, "origin")?,
        created_at: row.get(SESSIONS, "created_at")?,
        last_used_at: row.get(SESSIONS, "last_used_at")?,
        idle_deadline: row.get(SESSIONS, "idle_deadline")?,
    })
}
