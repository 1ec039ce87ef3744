//! What is voided after the database was restored to an earlier state (ADR 0053).

use async_trait::async_trait;
use authentication_app::ports::{
    Restore, RevocationStore, SelectedSessions, SessionSelection, StoreError, UnitOfWork as _,
    Voided,
};
use authentication_domain::mfa::TotpStep;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    dialect::Dialect,
    revocations,
    sql::{Db, Sql},
    store::Store,
};

const TABLE: &str = "restores";

const UNFINISHED: &str = "SELECT id, marked_at, keeps_sessions FROM restores \
     WHERE finished_at IS NULL ORDER BY marked_at, id LIMIT 1";

const MARK: &str = "INSERT INTO restores (id, marked_at, keeps_sessions) VALUES ($1, $2, $3)";

/// `$1` restore, `$2` now. If several nodes start at once, one of them voids.
const CLAIM: &str = "UPDATE restores SET voided_at = $2 WHERE id = $1 AND voided_at IS NULL";

const FINISH: &str = "UPDATE restores SET finished_at = $2 WHERE id = $1 AND finished_at IS NULL";

/// Codes and links were sent, and may have been used since. Challenges stay: they prove nothing without a new code.
const CODES: [&str; 1] = ["DELETE FROM code_dispatches"];
/// Sign-ins in progress, and single-use values that may have been used since.
const SIGN_INS: [&str; 4] = [
    "DELETE FROM pending_sign_ins",
    "DELETE FROM webauthn_ceremonies",
    "DELETE FROM federation_nonces",
    "DELETE FROM federation_flows",
];
const ANSWERS: [&str; 1] = ["DELETE FROM idempotency_records"];
/// Authenticator apps during enrolment: the secret was shown, and may have been withdrawn since.
const HALF_ENROLLED: [&str; 2] = [
    "DELETE FROM totp_factors WHERE secret IS NULL",
    "UPDATE totp_factors SET pending_secret = NULL, pending_at = NULL WHERE pending_secret IS NOT NULL",
];
/// `$1` the last step in which a code may have been used.
const USED_STEPS: &str =
    "UPDATE totp_factors SET last_step = $1 WHERE last_step IS NULL OR last_step < $1";
/// A device may have been forgotten since, or its owner may have reported it as not theirs.
const DEVICES: [&str; 1] =
    ["UPDATE devices SET remembered_until = NULL WHERE remembered_until IS NOT NULL"];
/// Earlier tokens of kept sessions end without being treated as theft: whether one of them was answered is lost.
const KEPT: [&str; 1] =
    ["UPDATE sessions SET proven_generation = generation WHERE ended_at IS NULL"];

#[async_trait]
impl RevocationStore for Store {
    #[tracing::instrument(name = "sessions.count_selected", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn count_selected(
        &self,
        selection: &SessionSelection,
    ) -> Result<SelectedSessions, StoreError> {
        revocations::count(&self.readers, selection).await
    }

    #[tracing::instrument(name = "service_clock.announce_revocations", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn announce_revocations(&self) -> Result<(), StoreError> {
        Sql::new(revocations::ANNOUNCE)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    #[tracing::instrument(name = "restores.unfinished", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn unfinished_restore(&self) -> Result<Option<Restore>, StoreError> {
        let row = Sql::new(UNFINISHED).row(&self.writer).await?;
        row.map(|row| {
            let keeps_sessions: i64 = row.get(TABLE, "keeps_sessions")?;
            Ok(Restore {
                id: row.get(TABLE, "id")?,
                marked_at: row.get(TABLE, "marked_at")?,
                keeps_sessions: keeps_sessions != 0,
            })
        })
        .transpose()
    }

    #[tracing::instrument(name = "restores.mark", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn mark_restored(&self, restore: &Restore) -> Result<(), StoreError> {
        Sql::new(MARK)
            .bind(&restore.id)
            .bind(&restore.marked_at)
            .bind(&i64::from(restore.keeps_sessions))
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Eleven statements at most, and one more on PostgreSQL.
    #[tracing::instrument(name = "restores.void_outstanding", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn void_outstanding(
        &self,
        restore: &Restore,
        last_step: TotpStep,
        now: OffsetDateTime,
    ) -> Result<Option<Voided>, StoreError> {
        let unit = self.begin_unit().await?;
        let claimed = Sql::new(CLAIM)
            .bind(&restore.id)
            .bind(&now)
            .execute(&unit)
            .await?;
        if claimed == 0 {
            return Ok(None);
        }
        if Dialect::of(&unit) == Dialect::Postgres {
            // No time limit: it happens once, and must be complete.
            Sql::new("SET LOCAL statement_timeout = 0")
                .execute(&unit)
                .await?;
        }
        let mut voided = Voided {
            codes: all(&unit, &CODES).await?,
            sign_ins: all(&unit, &SIGN_INS).await?,
            answers: all(&unit, &ANSWERS).await?,
            ..Voided::default()
        };
        all(&unit, &HALF_ENROLLED).await?;
        Sql::new(USED_STEPS).bind(&last_step).execute(&unit).await?;
        if restore.keeps_sessions {
            voided.sessions_kept = all(&unit, &KEPT).await?;
        } else {
            voided.devices = all(&unit, &DEVICES).await?;
        }
        Box::new(unit).commit().await?;
        Ok(Some(voided))
    }

    #[tracing::instrument(name = "restores.finish", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn finish_restore(&self, restore: Uuid, now: OffsetDateTime) -> Result<(), StoreError> {
        Sql::new(FINISH)
            .bind(&restore)
            .bind(&now)
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

/// Executes the statements and returns how many rows they wrote.
async fn all(db: &impl Db, texts: &[&'static str]) -> Result<u64, StoreError> {
    let mut rows = 0;
    for text in texts {
        rows += Sql::new(*text).execute(db).await?;
    }
    Ok(rows)
}
