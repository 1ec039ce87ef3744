//! Upkeep: deletes expired rows.

use async_trait::async_trait;
use authentication_app::ports::{IdempotencyKey, IdempotencyRecord, Maintenance, StoreError};
use authentication_domain::{mfa::TotpRules, protection::NoticePace};
use time::{Duration, OffsetDateTime};

use crate::{dialect::Dialect, idempotency, sql::Sql, store::Store};

/// Rows deleted per statement: few enough that no other statement waits long for their locks.
const BATCH: u64 = 1000;

/// A kind of rows that are no longer needed.
struct Expired {
    table: &'static str,
    /// The columns of its primary key.
    key: &'static str,
    /// Condition for dead rows; `$1` is the time before which they are dead. An index begins with its column.
    dead: &'static str,
    /// How long rows are kept beyond that time.
    kept_for: Duration,
}

/// Longer than any window in which a counter or a dispatch counts.
const A_DAY: Duration = Duration::DAY;
/// Retention of failures in a row for identifiers without an account.
const NOBODYS_FAILURES: Duration = Duration::days(30);
/// Retention of ended sessions: for the user's own history, and for investigating a theft.
const ENDED_SESSIONS: Duration = Duration::days(30);

/// Failures in a row for an identifier without an account. Any window or lock has ended long before.
macro_rules! nobodys_in_a_row {
    ($table:literal) => {
        concat!(
            "since < $1 AND in_a_row > 0 AND NOT EXISTS \
             (SELECT 1 FROM identifier_index i WHERE i.digest = ",
            $table,
            ".subject)"
        )
    };
}

const EXPIRED: [Expired; 21] = [
    Expired {
        table: "challenges",
        key: "digest",
        dead: "expires_at < $1",
        kept_for: Duration::ZERO,
    },
    Expired {
        table: "pending_sign_ins",
        key: "digest",
        dead: "expires_at < $1",
        kept_for: Duration::ZERO,
    },
    // A TOTP secret that was shown and never confirmed.
    Expired {
        table: "totp_factors",
        key: "account_id",
        dead: "pending_at < $1 AND secret IS NULL",
        kept_for: TotpRules::ENROLMENT,
    },
    Expired {
        table: "webauthn_ceremonies",
        key: "holder, purpose",
        dead: "expires_at < $1",
        kept_for: Duration::ZERO,
    },
    Expired {
        table: "code_dispatches",
        key: "subject, purpose",
        dead: "sent_at < $1",
        kept_for: A_DAY,
    },
    Expired {
        table: "sign_in_failures",
        key: "subject, device_id",
        dead: "since < $1 AND in_a_row = 0 AND (locked_until IS NULL OR locked_until < $1)",
        kept_for: A_DAY,
    },
    Expired {
        table: "code_tries",
        key: "subject, purpose, device_id",
        dead: "since < $1 AND in_a_row = 0",
        kept_for: A_DAY,
    },
    // Those of an existing identifier are kept until a sign-in: otherwise a guesser would only have to wait.
    Expired {
        table: "sign_in_failures",
        key: "subject, device_id",
        dead: nobodys_in_a_row!("sign_in_failures"),
        kept_for: NOBODYS_FAILURES,
    },
    Expired {
        table: "code_tries",
        key: "subject, purpose, device_id",
        dead: nobodys_in_a_row!("code_tries"),
        kept_for: NOBODYS_FAILURES,
    },
    Expired {
        table: "message_quotas",
        key: "subject",
        dead: "day_since < $1",
        kept_for: A_DAY,
    },
    Expired {
        table: "message_ceilings",
        key: "scope",
        dead: "since < $1",
        kept_for: A_DAY,
    },
    // A parked code can no longer be used, and the row may contain what was typed at registration. Parked notices are
    // kept for an operator.
    Expired {
        table: "outbox_messages",
        key: "id",
        dead: "created_at < $1 AND next_attempt_at IS NULL AND kind = 'code'",
        kept_for: A_DAY,
    },
    // Quiet for so long that the next act is sent at once anyway. Not while a summary waits.
    Expired {
        table: "notice_gatherings",
        key: "recipient, kind, detail",
        dead: "told_at < $1 AND (message_id IS NULL OR NOT EXISTS \
             (SELECT 1 FROM outbox_messages m WHERE m.id = notice_gatherings.message_id))",
        kept_for: NoticePace::QUIET,
    },
    Expired {
        table: "notice_links",
        key: "digest",
        dead: "expires_at < $1",
        kept_for: A_DAY,
    },
    // The previous owner can no longer take these identifiers back.
    Expired {
        table: "identifier_index",
        key: "digest, key_id",
        dead: "reserved_until < $1",
        kept_for: Duration::ZERO,
    },
    Expired {
        table: "idempotency_records",
        key: "scope",
        dead: "expires_at < $1",
        kept_for: Duration::ZERO,
    },
    // A deleted nonce is refused just like a used one.
    Expired {
        table: "federation_nonces",
        key: "digest",
        dead: "expires_at < $1",
        kept_for: Duration::ZERO,
    },
    Expired {
        table: "federation_flows",
        key: "state",
        dead: "expires_at < $1",
        kept_for: Duration::ZERO,
    },
    // Everything that began before these moves has expired.
    Expired {
        table: "security_moves",
        key: "position",
        dead: "moved_at < $1",
        kept_for: A_DAY,
    },
    Expired {
        table: "sessions",
        key: "id",
        dead: "ended_at < $1",
        kept_for: ENDED_SESSIONS,
    },
    // Sessions that expired. Selected by the absolute deadline, which no refresh moves, because the idle deadline must
    // not be indexed: a session that idled out stays until thirty days after its absolute deadline.
    Expired {
        table: "sessions",
        key: "id",
        dead: "absolute_deadline < $1",
        kept_for: ENDED_SESSIONS,
    },
];

#[async_trait]
impl Maintenance for Store {
    #[tracing::instrument(name = "idempotency.find_record", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn find_idempotency_record(
        &self,
        key: IdempotencyKey,
        now: OffsetDateTime,
    ) -> Result<Option<IdempotencyRecord>, StoreError> {
        idempotency::find(&self.readers, key, now).await
    }

    #[tracing::instrument(name = "maintenance.purge_expired", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn purge_expired(&self, now: OffsetDateTime) -> Result<u64, StoreError> {
        let dialect = Dialect::of(&self.writer);
        let mut gone = 0;
        for expired in &EXPIRED {
            loop {
                let batch = Sql::new(delete_batch(dialect, expired))
                    .bind(&(now - expired.kept_for))
                    .execute(&self.writer)
                    .await?;
                gone += batch;
                if batch < BATCH {
                    break;
                }
            }
        }
        Ok(gone)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.readers.ping().await
    }
}

/// On PostgreSQL, rows that a concurrent statement is reviving are skipped.
fn delete_batch(dialect: Dialect, expired: &Expired) -> String {
    let Expired {
        table, key, dead, ..
    } = expired;
    let lock = dialect.pick(" FOR UPDATE SKIP LOCKED", "");
    format!(
        "WITH dead AS MATERIALIZED (SELECT {key} FROM {table} WHERE {dead} LIMIT {BATCH}{lock}) \
         DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM dead)"
    )
}
