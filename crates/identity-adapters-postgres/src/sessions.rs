//! Sessions. What ends one, and what rotates one, is judged in the statement that does it.

use async_trait::async_trait;
use authentication_app::ports::{
    EndedSession, NewSession, RotatedSession, SessionRepository, StoreError,
};
use authentication_domain::{
    accounts::AccountId,
    sessions::{EndReason, RotationRules, SessionId},
};
use common::access::{AuthenticationMethod, Proofs};
use time::OffsetDateTime;

use crate::{
    account_record::wrapped_key_of,
    dialect::Dialect,
    sql::{Row, Sql},
    unit_of_work::SqlUnitOfWork,
};

pub(crate) const SESSIONS: &str = "sessions";

/// The session has not ended, by hand or by itself, at the given placeholder.
macro_rules! live {
    ($now:literal) => {
        concat!(
            "ended_at IS NULL AND idle_deadline > ",
            $now,
            " AND absolute_deadline > ",
            $now
        )
    };
}

/// The same of a session that counts: not of one that was last moved in the future. That one can still be ended.
macro_rules! counting {
    ($now:literal) => {
        concat!(
            $crate::sessions::live!($now),
            " AND rotated_at <= ",
            $now,
            " + ",
            $crate::sql::skew!()
        )
    };
}

/// `RotationRules::judge` does not say `Reused`: `$2` presented, `$3` now, `$4` grace. A clock that lags
/// makes the difference negative, which is within the grace time.
macro_rules! generation_counts {
    () => {
        "(generation = $2 OR (generation = $2 + 1 AND $3 - rotated_at < $4))"
    };
}

/// What the tokens of a session are made from, as a statement on `sessions` returns it.
macro_rules! rotated_columns {
    () => {
        "account_id, generation, refresh_key_id, method, second_method, authenticated_at, \
         idle_deadline, absolute_deadline, \
         (SELECT a.roles FROM accounts a WHERE a.id = sessions.account_id) AS roles"
    };
}

pub(crate) use {counting, generation_counts, live, rotated_columns};

/// Takes the account's row first, so that two sign-ins at once are counted one after the other.
macro_rules! insert {
    ($lock:literal) => {
        concat!(
            "INSERT INTO sessions (id, account_id, device_id, refresh_key_id, method, origin, \
             created_at, authenticated_at, generation, rotated_at, last_used_at, idle_micros, \
             idle_deadline, absolute_deadline, second_method) \
             SELECT $1, a.id, $3, $4, $5, $6, $7, $7, 0, $7, $7, $8, $9, $10, $12 \
             FROM accounts a WHERE a.id = $2 AND a.version = $11",
            $lock
        )
    };
}

/// By `sessions_of_account_idx`. `$1` account, `$2` the new session, `$3` now, `$4` others that may stay. The
/// LIMIT is no limit: SQLite knows no OFFSET without one.
const END_SUPERSEDED: &str = concat!(
    "UPDATE sessions SET ended_at = $3, end_reason = 'superseded' WHERE id IN \
     (SELECT o.id FROM sessions o WHERE o.account_id = $1 AND o.id <> $2 AND ",
    live!("$3"),
    " ORDER BY o.id DESC LIMIT 1000000 OFFSET $4) AND ended_at IS NULL RETURNING id"
);

/// What an audit entry about an ended session needs.
macro_rules! returning_ended {
    () => {
        " RETURNING id, account_id, \
         (SELECT k.master_key_id FROM account_keys k \
         WHERE k.account_id = sessions.account_id) AS master_key_id, \
         (SELECT k.wrapped_key FROM account_keys k \
         WHERE k.account_id = sessions.account_id) AS wrapped_key"
    };
}

/// By the primary key. `$1` session, `$2` account, `$3` now, `$4` reason.
const END: &str = concat!(
    "UPDATE sessions SET ended_at = $3, end_reason = $4 \
     WHERE id = $1 AND account_id = $2 AND ",
    live!("$3"),
    returning_ended!()
);

/// By `sessions_of_account_idx`. `$1` account, `$2` the one that stays, `$3` now, `$4` reason.
const END_ALL: &str = concat!(
    "UPDATE sessions SET ended_at = $3, end_reason = $4 WHERE account_id = $1 AND ",
    live!("$3"),
    " AND ($2 IS NULL OR id <> $2) RETURNING id"
);

/// By the primary key. `$1` session, `$2` presented, `$3` now, `$4` grace, `$5` reason.
const END_REUSED: &str = concat!(
    "UPDATE sessions SET ended_at = $3, end_reason = $5 WHERE id = $1 AND ",
    live!("$3"),
    " AND NOT ",
    generation_counts!(),
    returning_ended!()
);

/// The session is of an account that may act: `$2` account, `$3` now.
macro_rules! of_active_account {
    () => {
        concat!(
            " WHERE id = $1 AND account_id = $2 AND ",
            counting!("$3"),
            " AND EXISTS (SELECT 1 FROM accounts a \
             WHERE a.id = sessions.account_id AND a.status = 'active')"
        )
    };
}

/// The first whole second after the last proof, in microseconds.
macro_rules! next_proof {
    () => {
        "(authenticated_at - authenticated_at % 1000000 + 1000000)"
    };
}

/// By the primary key. `$1` session, `$2` account, `$3` now, `$4` a second factor, if one was proven. A token
/// says its time of authentication in whole seconds, so every proof has a second of its own.
const PROVE_AGAIN: &str = concat!(
    "UPDATE sessions SET authenticated_at = CASE WHEN ",
    next_proof!(),
    " <= $3 THEN $3 ELSE ",
    next_proof!(),
    " END, second_method = CASE WHEN $4 IS NULL THEN second_method ELSE $4 END",
    of_active_account!(),
    " RETURNING ",
    rotated_columns!()
);

/// By the primary key. `$1` session, `$2` account, `$3` now, `$4` the second factor.
const ADD_SECOND: &str = concat!(
    "UPDATE sessions SET second_method = $4",
    of_active_account!()
);

#[async_trait]
impl SessionRepository for SqlUnitOfWork {
    /// Two statements.
    #[tracing::instrument(name = "sessions.begin", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn begin(
        &mut self,
        session: &NewSession,
        most: u32,
    ) -> Result<Vec<SessionId>, StoreError> {
        let db = &*self;
        let now = session.created_at;
        let idle_deadline = session.absolute_deadline.min(now + session.idle);
        let insert = Dialect::of(db).pick(insert!(" FOR NO KEY UPDATE"), insert!(""));
        let inserted = Sql::new(insert)
            .bind(&session.id)
            .bind(&session.account)
            .bind(&session.device)
            .bind(&session.refresh_key_id)
            .bind(&session.proofs.first)
            .bind(&session.origin)
            .bind(&now)
            .bind(&session.idle)
            .bind(&idle_deadline)
            .bind(&session.absolute_deadline)
            .bind(&session.account_version)
            .bind(&session.proofs.second)
            .execute(db)
            .await?;
        if inserted == 0 {
            return Err(StoreError::Retryable);
        }
        let superseded = Sql::new(END_SUPERSEDED)
            .bind(&session.account)
            .bind(&session.id)
            .bind(&now)
            .bind(&most.saturating_sub(1))
            .rows(db)
            .await?;
        ids_of(&superseded)
    }

    #[tracing::instrument(name = "sessions.prove_again", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn prove_again(
        &mut self,
        session: SessionId,
        account: AccountId,
        second: Option<AuthenticationMethod>,
        now: OffsetDateTime,
    ) -> Result<Option<RotatedSession>, StoreError> {
        let row = Sql::new(PROVE_AGAIN)
            .bind(&session)
            .bind(&account)
            .bind(&now)
            .bind(&second)
            .row(self)
            .await?;
        row.as_ref().map(rotated_of).transpose()
    }

    #[tracing::instrument(name = "sessions.add_second_factor", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn add_second_factor(
        &mut self,
        session: SessionId,
        account: AccountId,
        second: AuthenticationMethod,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let updated = Sql::new(ADD_SECOND)
            .bind(&session)
            .bind(&account)
            .bind(&now)
            .bind(&Some(second))
            .execute(self)
            .await?;
        Ok(updated > 0)
    }

    #[tracing::instrument(name = "sessions.end", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn end(
        &mut self,
        session: SessionId,
        account: AccountId,
        reason: EndReason,
        now: OffsetDateTime,
    ) -> Result<Option<EndedSession>, StoreError> {
        let row = Sql::new(END)
            .bind(&session)
            .bind(&account)
            .bind(&now)
            .bind(reason.as_str())
            .row(self)
            .await?;
        row.as_ref().map(ended_of).transpose()
    }

    #[tracing::instrument(name = "sessions.end_all", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn end_all(
        &mut self,
        account: AccountId,
        but: Option<SessionId>,
        reason: EndReason,
        now: OffsetDateTime,
    ) -> Result<Vec<SessionId>, StoreError> {
        let ended = Sql::new(END_ALL)
            .bind(&account)
            .bind(&but)
            .bind(&now)
            .bind(reason.as_str())
            .rows(self)
            .await?;
        ids_of(&ended)
    }

    #[tracing::instrument(name = "sessions.end_reused", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn end_reused(
        &mut self,
        session: SessionId,
        presented: u32,
        rules: RotationRules,
        now: OffsetDateTime,
    ) -> Result<Option<EndedSession>, StoreError> {
        let row = Sql::new(END_REUSED)
            .bind(&session)
            .bind(&presented)
            .bind(&now)
            .bind(&rules.grace)
            .bind(EndReason::RefreshReuse.as_str())
            .row(self)
            .await?;
        row.as_ref().map(ended_of).transpose()
    }
}

/// In a row with `rotated_columns`.
pub(crate) fn rotated_of(row: &Row) -> Result<RotatedSession, StoreError> {
    Ok(RotatedSession {
        account: row.get(SESSIONS, "account_id")?,
        roles: row.get("accounts", "roles")?,
        generation: row.get(SESSIONS, "generation")?,
        refresh_key_id: row.get(SESSIONS, "refresh_key_id")?,
        proofs: proofs_of(row)?,
        authenticated_at: row.get(SESSIONS, "authenticated_at")?,
        idle_deadline: row.get(SESSIONS, "idle_deadline")?,
        absolute_deadline: row.get(SESSIONS, "absolute_deadline")?,
    })
}

/// What was proven, in a row with its two columns.
pub(crate) fn proofs_of(row: &Row) -> Result<Proofs, StoreError> {
    Ok(Proofs {
        first: row.get(SESSIONS, "method")?,
        second: row.find(SESSIONS, "second_method")?,
    })
}

fn ended_of(row: &Row) -> Result<EndedSession, StoreError> {
    Ok(EndedSession {
        session: row.get(SESSIONS, "id")?,
        account: row.get(SESSIONS, "account_id")?,
        wrapped_key: wrapped_key_of(row)?,
    })
}

/// In the order of their beginning, whatever order the statement met them in.
fn ids_of(rows: &[Row]) -> Result<Vec<SessionId>, StoreError> {
    let ids: Result<Vec<SessionId>, _> = rows.iter().map(|row| row.get(SESSIONS, "id")).collect();
    let mut ids = ids?;
    ids.sort();
    Ok(ids)
}
