//! Sessions. Whether one is ended or rotated is decided in the statement that does it.

use async_trait::async_trait;
use authentication_app::ports::{
    CaughtUp, EndedSession, ForgivenSession, NewSession, Revocation, RevokedSession,
    RotatedSession, SessionRepository, StoreError,
};
use authentication_domain::{
    accounts::AccountId,
    sessions::{DeviceId, EndReason, RotationRules, SessionId},
};
use common::access::{AuthenticationMethod, Proofs, Renewal};
use time::OffsetDateTime;

use crate::{
    account_record::wrapped_key_of,
    dialect::Dialect,
    revocations,
    sql::{Row, Sql},
    unit_of_work::SqlUnitOfWork,
};

pub(crate) const SESSIONS: &str = "sessions";

/// The session has neither been ended nor expired at the given placeholder.
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

/// A live session that is also valid: not one that was last rotated in the future. Such a session can still be ended.
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

/// No later proof has ended the presented generation: `$2` presented.
macro_rules! no_proof_ended {
    () => {
        "$2 >= COALESCE(proven_generation, 0)"
    };
}

/// `RotationRules::judge` returns `Rotated` or `Repeated`: `$2` presented, `$3` now, `$4` grace. If the clock lags, the
/// difference is negative, which is within the grace time.
macro_rules! generation_counts {
    () => {
        concat!(
            "(generation = $2 OR (generation = $2 + 1 AND $3 - rotated_at < $4 AND ",
            no_proof_ended!(),
            "))"
        )
    };
}

/// The proofs in a session. Without a time (a session that the previous release began or changed) a factor counts as
/// proven when the session was created.
macro_rules! proof_columns {
    () => {
        "method, second_method, COALESCE(first_proven_at, sessions.created_at) AS first_at, \
         COALESCE(second_proven_at, sessions.created_at) AS second_at"
    };
}

/// The data for a session's tokens, as a statement on `sessions` returns them.
macro_rules! rotated_columns {
    () => {
        concat!(
            "account_id, generation, refresh_key_id, idle_deadline, absolute_deadline, ",
            proof_columns!(),
            ", (SELECT a.roles FROM accounts a WHERE a.id = sessions.account_id) AS roles"
        )
    };
}

pub(crate) use {
    counting, generation_counts, live, no_proof_ended, proof_columns, rotated_columns,
};

/// Locks the account's row first, so that two concurrent sign-ins are counted one after the other.
macro_rules! insert {
    ($lock:literal) => {
        concat!(
            "INSERT INTO sessions (id, account_id, device_id, refresh_key_id, method, origin, \
             created_at, authenticated_at, generation, rotated_at, last_used_at, idle_micros, \
             idle_deadline, absolute_deadline, second_method, first_proven_at, second_proven_at) \
             SELECT $1, a.id, $3, $4, $5, $6, $7, $7, 0, $7, $7, $8, $9, $10, $12, $13, $14 \
             FROM accounts a WHERE a.id = $2 AND a.version = $11",
            $lock
        )
    };
}

/// By `sessions_of_account_idx`. `$1` account, `$2` the new session, `$3` now, `$4` how many others may stay. The
/// LIMIT never applies: SQLite has no OFFSET without one.
const END_SUPERSEDED: &str = concat!(
    "UPDATE sessions SET ended_at = $3, end_reason = 'superseded' WHERE id IN \
     (SELECT o.id FROM sessions o WHERE o.account_id = $1 AND o.id <> $2 AND ",
    live!("$3"),
    " ORDER BY o.id DESC LIMIT 1000000 OFFSET $4) AND ended_at IS NULL RETURNING id"
);

/// The account data that an audit entry about a session needs.
macro_rules! key_columns {
    () => {
        "(SELECT k.master_key_id FROM account_keys k \
         WHERE k.account_id = sessions.account_id) AS master_key_id, \
         (SELECT k.wrapped_key FROM account_keys k \
         WHERE k.account_id = sessions.account_id) AS wrapped_key"
    };
}

/// The data that an audit entry about an ended session needs.
macro_rules! returning_ended {
    () => {
        concat!(" RETURNING id, account_id, ", key_columns!())
    };
}

/// By the primary key. `$1` session, `$2` account, `$3` now, `$4` reason.
const END: &str = concat!(
    "UPDATE sessions SET ended_at = $3, end_reason = $4 \
     WHERE id = $1 AND account_id = $2 AND ",
    live!("$3"),
    returning_ended!()
);

/// By `sessions_of_account_idx`. `$1` account, `$2` the session that stays, `$3` now, `$4` reason.
const END_ALL: &str = concat!(
    "UPDATE sessions SET ended_at = $3, end_reason = $4 WHERE account_id = $1 AND ",
    live!("$3"),
    " AND ($2 IS NULL OR id <> $2) RETURNING id"
);

/// By the primary key. `$1` session, `$2` presented, `$3` now, `$4` grace, `$5` reason. A presented generation ahead of
/// the stored one is no theft: the store lost the rotation that created it.
const END_REUSED: &str = concat!(
    "UPDATE sessions SET ended_at = $3, end_reason = $5 WHERE id = $1 AND ",
    live!("$3"),
    " AND generation >= $2 AND NOT ",
    generation_counts!(),
    " AND ",
    no_proof_ended!(),
    returning_ended!()
);

/// By the primary keys of `sessions`, `devices` and `accounts`. `$1` session, `$2` presented, `$3` now, `$4` grace,
/// `$5` device, `$6` `FORGIVEN_WITHIN`, `$7` `FORGIVEN_GENERATIONS`. `RotationRules::judge` returns `Forgiven`: the
/// fourth last forgiveness (`MOST_FORGIVEN` back) is outside of both windows.
const FORGIVE: &str = concat!(
    "UPDATE sessions SET rotated_at = $3, \
     forgiven_at_1 = $3, forgiven_at_2 = forgiven_at_1, \
     forgiven_at_3 = forgiven_at_2, forgiven_at_4 = forgiven_at_3, \
     forgiven_generation_1 = generation, forgiven_generation_2 = forgiven_generation_1, \
     forgiven_generation_3 = forgiven_generation_2, forgiven_generation_4 = forgiven_generation_3 \
     WHERE id = $1 AND ",
    live!("$3"),
    " AND generation = $2 + 1 AND $3 - rotated_at >= $4 AND ",
    no_proof_ended!(),
    " AND device_id = $5 AND EXISTS (SELECT 1 FROM devices d \
     WHERE d.account_id = sessions.account_id AND d.id = sessions.device_id) \
     AND EXISTS (SELECT 1 FROM accounts a \
     WHERE a.id = sessions.account_id AND a.status = 'active') \
     AND (forgiven_at_4 IS NULL \
     OR ($3 - forgiven_at_4 >= $6 AND generation - forgiven_generation_4 >= $7)) \
     RETURNING ",
    rotated_columns!(),
    ", ",
    key_columns!()
);

/// By the primary keys of `sessions` and `accounts`. `$1` session, `$2` presented, `$3` now, `$4` grace.
/// `RotationRules::judge` returns `Ahead`, or `Repeated` after a concurrent catch-up.
const CATCH_UP: &str = concat!(
    "UPDATE sessions SET generation = $2 + 1, \
     rotated_at = CASE WHEN generation < $2 THEN $3 ELSE rotated_at END, \
     last_used_at = CASE WHEN $3 > last_used_at THEN $3 ELSE last_used_at END, \
     idle_deadline = CASE WHEN generation > $2 THEN idle_deadline \
     WHEN $3 + idle_micros < absolute_deadline THEN $3 + idle_micros ELSE absolute_deadline END \
     WHERE id = $1 AND ",
    counting!("$3"),
    " AND (generation < $2 OR (generation = $2 + 1 AND $3 - rotated_at < $4)) AND ",
    no_proof_ended!(),
    " AND EXISTS (SELECT 1 FROM accounts a \
     WHERE a.id = sessions.account_id AND a.status = 'active') RETURNING ",
    rotated_columns!(),
    ", CASE WHEN rotated_at = $3 THEN CAST(1 AS bigint) ELSE 0 END AS moved, ",
    key_columns!()
);

/// A valid session of an active account: `$2` account, `$3` now.
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

/// By the primary key. `$1` session, `$2` account, `$3` now, `$4` the first factor if it was proven, `$5` the second
/// one; otherwise NULL. Does what `Proofs::renewed` does, and begins a new generation. It counts as a use of the
/// session, as a refresh does.
const PROVE_AGAIN: &str = concat!(
    "UPDATE sessions SET \
     generation = generation + 1, proven_generation = generation + 1, rotated_at = $3, \
     last_used_at = CASE WHEN $3 > last_used_at THEN $3 ELSE last_used_at END, \
     idle_deadline = CASE WHEN $3 + idle_micros < absolute_deadline \
     THEN $3 + idle_micros ELSE absolute_deadline END, \
     method = CASE WHEN $4 IS NULL THEN method ELSE $4 END, \
     first_proven_at = CASE WHEN $4 IS NULL THEN COALESCE(first_proven_at, created_at) ELSE $3 END, \
     second_method = CASE WHEN $5 IS NOT NULL THEN $5 \
     WHEN second_method IS NULL AND method = 'passkey' THEN method ELSE second_method END, \
     second_proven_at = CASE WHEN $5 IS NOT NULL THEN $3 \
     WHEN second_method IS NULL AND method = 'passkey' THEN COALESCE(first_proven_at, created_at) \
     ELSE second_proven_at END",
    of_active_account!(),
    " RETURNING ",
    rotated_columns!()
);

/// By the primary key. `$1` session, `$2` presented generation, `$3` now.
macro_rules! hold {
    ($lock:literal) => {
        concat!(
            "SELECT (SELECT version FROM accounts WHERE id = account_id) AS version FROM sessions \
             WHERE id = $1 AND ",
            no_proof_ended!(),
            " AND ",
            counting!("$3"),
            $lock
        )
    };
}

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
            .bind(&session.proofs.first.method)
            .bind(&session.origin)
            .bind(&now)
            .bind(&session.idle)
            .bind(&idle_deadline)
            .bind(&session.absolute_deadline)
            .bind(&session.account_version)
            .bind(&session.proofs.second.map(|second| second.method))
            .bind(&session.proofs.first.at)
            .bind(&session.proofs.second.map(|second| second.at))
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

    #[tracing::instrument(name = "sessions.hold", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn hold(
        &mut self,
        session: SessionId,
        presented: u32,
        now: OffsetDateTime,
    ) -> Result<Option<i64>, StoreError> {
        let held = Dialect::of(&*self).pick(hold!(" FOR NO KEY UPDATE"), hold!(""));
        let row = Sql::new(held)
            .bind(&session)
            .bind(&presented)
            .bind(&now)
            .row(self)
            .await?;
        row.map(|row| row.get("sessions", "version")).transpose()
    }

    #[tracing::instrument(name = "sessions.prove_again", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn prove_again(
        &mut self,
        session: SessionId,
        account: AccountId,
        renewal: Renewal,
        now: OffsetDateTime,
    ) -> Result<Option<RotatedSession>, StoreError> {
        let row = Sql::new(PROVE_AGAIN)
            .bind(&session)
            .bind(&account)
            .bind(&now)
            .bind(&renewal.first)
            .bind(&renewal.second)
            .row(self)
            .await?;
        row.as_ref().map(rotated_of).transpose()
    }

    #[tracing::instrument(name = "sessions.forgive", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn forgive(
        &mut self,
        session: SessionId,
        presented: u32,
        device: DeviceId,
        rules: RotationRules,
        now: OffsetDateTime,
    ) -> Result<Option<ForgivenSession>, StoreError> {
        let row = Sql::new(FORGIVE)
            .bind(&session)
            .bind(&presented)
            .bind(&now)
            .bind(&rules.grace)
            .bind(&device)
            .bind(&RotationRules::FORGIVEN_WITHIN)
            .bind(&RotationRules::FORGIVEN_GENERATIONS)
            .row(self)
            .await?;
        row.as_ref().map(forgiven_of).transpose()
    }

    #[tracing::instrument(name = "sessions.catch_up", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn catch_up(
        &mut self,
        session: SessionId,
        presented: u32,
        rules: RotationRules,
        now: OffsetDateTime,
    ) -> Result<Option<CaughtUp>, StoreError> {
        let row = Sql::new(CATCH_UP)
            .bind(&session)
            .bind(&presented)
            .bind(&now)
            .bind(&rules.grace)
            .row(self)
            .await?;
        row.map(|row| {
            let moved: i64 = row.get(SESSIONS, "moved")?;
            Ok(CaughtUp {
                session: forgiven_of(&row)?,
                is_first: moved != 0,
            })
        })
        .transpose()
    }

    #[tracing::instrument(name = "sessions.end_selected", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn end_selected(
        &mut self,
        revocation: Revocation<'_>,
        now: OffsetDateTime,
    ) -> Result<Vec<RevokedSession>, StoreError> {
        revocations::end_batch(self, revocation, now).await
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

/// Reads the session from a row with `rotated_columns`.
pub(crate) fn rotated_of(row: &Row) -> Result<RotatedSession, StoreError> {
    Ok(RotatedSession {
        account: row.get(SESSIONS, "account_id")?,
        roles: row.get("accounts", "roles")?,
        generation: row.get(SESSIONS, "generation")?,
        refresh_key_id: row.get(SESSIONS, "refresh_key_id")?,
        proofs: proofs_of(row)?,
        idle_deadline: row.get(SESSIONS, "idle_deadline")?,
        absolute_deadline: row.get(SESSIONS, "absolute_deadline")?,
    })
}

/// Reads the proofs from a row with `proof_columns`.
pub(crate) fn proofs_of(row: &Row) -> Result<Proofs, StoreError> {
    let first = Proofs::only(row.get(SESSIONS, "method")?, row.get(SESSIONS, "first_at")?);
    let second: Option<AuthenticationMethod> = row.find(SESSIONS, "second_method")?;
    let second_at = row.get(SESSIONS, "second_at")?;
    Ok(match second {
        Some(second) => first.and(second, second_at),
        None => first,
    })
}

/// Reads the session and its account's key from a row with `rotated_columns` and `key_columns`.
fn forgiven_of(row: &Row) -> Result<ForgivenSession, StoreError> {
    Ok(ForgivenSession {
        session: rotated_of(row)?,
        wrapped_key: wrapped_key_of(row)?,
    })
}

fn ended_of(row: &Row) -> Result<EndedSession, StoreError> {
    Ok(EndedSession {
        session: row.get(SESSIONS, "id")?,
        account: row.get(SESSIONS, "account_id")?,
        wrapped_key: wrapped_key_of(row)?,
    })
}

/// The ids in the order of creation: RETURNING has no defined order.
fn ids_of(rows: &[Row]) -> Result<Vec<SessionId>, StoreError> {
    let ids: Result<Vec<SessionId>, _> = rows.iter().map(|row| row.get(SESSIONS, "id")).collect();
    let mut ids = ids?;
    ids.sort();
    Ok(ids)
}
