//! Ending the sessions of many accounts.

use authentication_app::ports::{
    Revocation, RevokedSession, SelectedSessions, SessionSelection, StoreError,
};
use time::OffsetDateTime;

use crate::{
    sessions::{SESSIONS, live},
    sql::{Db, Row, Sql},
};

/// The sessions of a selection: `$1` begun before, `$2` begun since, `$3` account, `$4` role between commas, as
/// `accounts.roles` lists them. Expiry is judged by the latest time that a node noted: by a clock that is ahead, a
/// session that nodes still accept would count as expired, and not be ended.
macro_rules! selected {
    () => {
        concat!(
            live!("(SELECT latest FROM service_clock WHERE id = 1)"),
            " AND ($1 IS NULL OR created_at < $1) AND ($2 IS NULL OR created_at >= $2) \
             AND ($3 IS NULL OR account_id = $3) \
             AND ($4 IS NULL OR EXISTS (SELECT 1 FROM accounts a \
             WHERE a.id = account_id AND ',' || a.roles || ',' LIKE $4))"
        )
    };
}

const COUNT: &str = concat!(
    "SELECT count(*) AS sessions, count(DISTINCT account_id) AS accounts FROM sessions WHERE ",
    selected!()
);

/// By the primary key, from the end of the last batch on. `$5` now, `$6` after, `$7` most rows, `$8` reason.
const END_BATCH: &str = concat!(
    "UPDATE sessions SET ended_at = $5, end_reason = $8 WHERE ended_at IS NULL AND id IN \
     (SELECT id FROM sessions WHERE ($6 IS NULL OR id > $6) AND ",
    selected!(),
    " ORDER BY id LIMIT $7) RETURNING id, account_id"
);

/// Nodes notice it when they read the shared time.
pub(crate) const ANNOUNCE: &str =
    "UPDATE service_clock SET revocations = revocations + 1 WHERE id = 1";

fn of_selection(text: &'static str, selection: &SessionSelection) -> Sql {
    let role = selection.role.map(|role| format!("%,{},%", role.as_str()));
    Sql::new(text)
        .bind(&selection.begun_before)
        .bind(&selection.begun_since)
        .bind(&selection.account)
        .bind(&role)
}

pub(crate) async fn count(
    db: &impl Db,
    selection: &SessionSelection,
) -> Result<SelectedSessions, StoreError> {
    let row = of_selection(COUNT, selection).row(db).await?;
    let number = |name| -> Result<u64, StoreError> {
        let number: i64 = row
            .as_ref()
            .map_or(Ok(0), |row: &Row| row.get(SESSIONS, name))?;
        Ok(u64::try_from(number).unwrap_or(0))
    };
    Ok(SelectedSessions {
        sessions: number("sessions")?,
        accounts: number("accounts")?,
    })
}

/// Two statements, or one if no session was left to end.
pub(crate) async fn end_batch(
    db: &impl Db,
    revocation: Revocation<'_>,
    now: OffsetDateTime,
) -> Result<Vec<RevokedSession>, StoreError> {
    let rows = of_selection(END_BATCH, revocation.selection)
        .bind(&now)
        .bind(&revocation.after)
        .bind(&revocation.at_most)
        .bind(revocation.reason.as_str())
        .rows(db)
        .await?;
    let ended: Result<Vec<RevokedSession>, StoreError> = rows
        .iter()
        .map(|row| {
            Ok(RevokedSession {
                session: row.get(SESSIONS, "id")?,
                account: row.get(SESSIONS, "account_id")?,
            })
        })
        .collect();
    let mut ended = ended?;
    // RETURNING has no defined order.
    ended.sort_by_key(|it| it.session);
    if !ended.is_empty() {
        Sql::new(ANNOUNCE).execute(db).await?;
    }
    Ok(ended)
}
