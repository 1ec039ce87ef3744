//! One-time codes: challenges, dispatches and message quotas.

use async_trait::async_trait;
use authentication_app::ports::{
    ChallengeRepository, CodeDispatch, LiveChallenge, NewChallenge, QuotaGrant, SendRequest,
    StoreError, Subject,
};
use authentication_domain::{
    challenges::{ChallengeRules, CodeNonce, Purpose},
    opaque_token::TokenDigest,
};
use time::{Duration, OffsetDateTime};

use crate::{
    dialect::Dialect,
    error::Fault,
    sql::{Row, Sql, skew},
    unit_of_work::SqlUnitOfWork,
};

pub(crate) const CHALLENGES: &str = "challenges";
pub(crate) const DISPATCHES: &str = "code_dispatches";

const INSERT: &str = "INSERT INTO challenges (digest, subject, index_digest, second_index_digest, purpose, \
     channel, payload, created_at, expires_at, tries) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)";

/// Whether the last dispatch is old enough, or lies in the future.
macro_rules! may_be_replaced {
    () => {
        concat!("(s.sent_at <= $6 OR s.sent_at > $5 + ", skew!(), ")")
    };
}

/// `$1` subject, `$2` purpose, `$3` nonce, `$4` link, `$5` now, `$6` the latest time of an earlier dispatch that allows
/// a new one, `$7` wrong codes in a row after which the next code is long. A more recent dispatch is written back
/// unchanged, which also makes concurrent requests wait for it. `code_tries` is read by the leading columns of its
/// primary key.
const REQUEST_SENDING: &str = concat!(
    "INSERT INTO code_dispatches AS s (subject, purpose, nonce, link_digest, sent_at, format) \
     VALUES ($1, $2, $3, $4, $5, CASE WHEN EXISTS (SELECT 1 FROM code_tries t \
     WHERE t.subject = $1 AND t.purpose = $2 AND t.in_a_row >= $7) THEN 'long' END) \
     ON CONFLICT (subject, purpose) DO UPDATE SET nonce = CASE WHEN ",
    may_be_replaced!(),
    " THEN excluded.nonce ELSE s.nonce END, link_digest = CASE WHEN ",
    may_be_replaced!(),
    " THEN excluded.link_digest ELSE s.link_digest END, format = CASE WHEN ",
    may_be_replaced!(),
    " THEN excluded.format ELSE s.format END, used_at = CASE WHEN ",
    may_be_replaced!(),
    " THEN NULL ELSE s.used_at END, sent_at = CASE WHEN ",
    may_be_replaced!(),
    " THEN excluded.sent_at ELSE s.sent_at END RETURNING nonce, sent_at, format"
);

/// Whether the counted hour is still running, and does not begin in the future.
macro_rules! this_hour {
    () => {
        concat!(
            "(q.hour_since > $2 - $3 AND q.hour_since <= $2 + ",
            skew!(),
            ")"
        )
    };
}
macro_rules! this_day {
    () => {
        concat!(
            "(q.day_since > $2 - $4 AND q.day_since <= $2 + ",
            skew!(),
            ")"
        )
    };
}
macro_rules! hour_full {
    () => {
        concat!("(", this_hour!(), " AND q.hour_count >= $5)")
    };
}
macro_rules! day_full {
    () => {
        concat!("(", this_day!(), " AND q.day_count >= $6)")
    };
}
macro_rules! full {
    () => {
        concat!("(", hour_full!(), " OR ", day_full!(), ")")
    };
}

/// `$1` subject, `$2` now, `$3` an hour, `$4` a day, `$5` messages per hour, `$6` messages per day. A refusal
/// counts nothing; it writes and returns the time at which the next message may be sent.
const CLAIM_MESSAGE_QUOTA: &str = concat!(
    "INSERT INTO message_quotas AS q (subject, hour_since, hour_count, day_since, day_count) \
     VALUES ($1, $2, 1, $2, 1) ON CONFLICT (subject) DO UPDATE SET \
     hour_since = CASE WHEN ",
    full!(),
    " OR ",
    this_hour!(),
    " THEN q.hour_since ELSE $2 END, hour_count = CASE WHEN ",
    full!(),
    " THEN q.hour_count WHEN ",
    this_hour!(),
    " THEN q.hour_count + 1 ELSE 1 END, day_since = CASE WHEN ",
    full!(),
    " OR ",
    this_day!(),
    " THEN q.day_since ELSE $2 END, day_count = CASE WHEN ",
    full!(),
    " THEN q.day_count WHEN ",
    this_day!(),
    " THEN q.day_count + 1 ELSE 1 END, \
     retry_at = CASE WHEN ",
    day_full!(),
    " AND NOT (",
    hour_full!(),
    " AND q.hour_since + $3 > q.day_since + $4) THEN q.day_since + $4 WHEN ",
    hour_full!(),
    " THEN q.hour_since + $3 END RETURNING retry_at"
);

/// Whether a challenge or a pending sign-in is live: `$2` now.
macro_rules! is_live {
    () => {
        concat!(
            "consumed_at IS NULL AND expires_at > $2 AND created_at <= $2 + ",
            $crate::sql::skew!()
        )
    };
}
pub(crate) use is_live;

/// By the primary key. `$1` digest, `$2` now.
macro_rules! lock_live {
    ($lock:literal) => {
        concat!(
            "SELECT subject, purpose, channel, payload FROM challenges \
             WHERE digest = $1 AND ",
            is_live!(),
            $lock
        )
    };
}

/// `$1` digest, `$2` now, `$3` most tries.
const COUNT_TRY: &str = concat!(
    "UPDATE challenges SET tries = tries + 1 WHERE digest = $1 AND ",
    is_live!(),
    " AND tries < $3 RETURNING tries"
);

/// `$1` digest, `$2` now, `$3` most tries.
const CONSUME: &str = concat!(
    "UPDATE challenges SET consumed_at = $2 WHERE digest = $1 AND ",
    is_live!(),
    " AND tries < $3"
);

const TRIES: &str = "SELECT tries FROM challenges WHERE digest = $1";

/// `$1` subject, `$2` purpose, `$3` nonce, `$4` now.
const USE_CODE: &str = "UPDATE code_dispatches SET used_at = $4 \
     WHERE subject = $1 AND purpose = $2 AND nonce = $3 AND used_at IS NULL";

/// `$1` subject, `$2` now. By the leading column of the primary key.
const VOID_CODES: &str =
    "UPDATE code_dispatches SET used_at = $2 WHERE subject = $1 AND used_at IS NULL";

#[async_trait]
impl ChallengeRepository for SqlUnitOfWork {
    /// Stores the digests under the first two index keys. A key is back-filled completely before it becomes the current
    /// one, so the first digest finds every account, and the second those that a key change is about to reach.
    #[tracing::instrument(name = "challenges.insert", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn insert(&mut self, challenge: &NewChallenge) -> Result<(), StoreError> {
        let mut digests = challenge.index.iter().map(|entry| entry.digest);
        Sql::new(INSERT)
            .bind(&challenge.digest)
            .bind(&challenge.subject)
            .bind(&digests.next().unwrap_or(challenge.subject.0))
            .bind(&digests.next())
            .bind(&challenge.purpose)
            .bind(&challenge.channel)
            .bind(&challenge.payload)
            .bind(&challenge.created_at)
            .bind(&challenge.expires_at)
            .execute(self)
            .await?;
        Ok(())
    }

    #[tracing::instrument(name = "challenges.request_sending", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn request_sending(
        &mut self,
        request: &SendRequest,
        rules: &ChallengeRules,
    ) -> Result<CodeDispatch, StoreError> {
        let row = Sql::new(REQUEST_SENDING)
            .bind(&request.subject)
            .bind(&request.purpose)
            .bind(&request.nonce)
            .bind(&request.link)
            .bind(&request.now)
            .bind(&rules.resend_cutoff(request.now))
            .bind(&rules.most_failures_in_a_row)
            .row(self)
            .await?;
        dispatch_of(&row.ok_or(Fault::MissingRow("a dispatch"))?)
    }

    #[tracing::instrument(name = "challenges.claim_message_quota", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn claim_message_quota(
        &mut self,
        subject: Subject,
        rules: &ChallengeRules,
        now: OffsetDateTime,
    ) -> Result<QuotaGrant, StoreError> {
        let row = Sql::new(CLAIM_MESSAGE_QUOTA)
            .bind(&subject)
            .bind(&now)
            .bind(&Duration::HOUR)
            .bind(&Duration::DAY)
            .bind(&rules.messages_per_hour)
            .bind(&rules.messages_per_day)
            .row(self)
            .await?;
        let row = row.ok_or(Fault::MissingRow("a quota"))?;
        let retry_at: Option<OffsetDateTime> = row.find("message_quotas", "retry_at")?;
        Ok(
            retry_at.map_or(QuotaGrant::Granted, |retry_at| QuotaGrant::Exhausted {
                retry_at,
            }),
        )
    }

    #[tracing::instrument(name = "challenges.lock_live", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn lock_live(
        &mut self,
        digest: TokenDigest,
        now: OffsetDateTime,
    ) -> Result<Option<LiveChallenge>, StoreError> {
        let db = &*self;
        let text = Dialect::of(db).pick(lock_live!(" FOR UPDATE"), lock_live!(""));
        let row = Sql::new(text).bind(&digest).bind(&now).row(db).await?;
        row.map(|row| {
            Ok(LiveChallenge {
                subject: row.get(CHALLENGES, "subject")?,
                purpose: row.get(CHALLENGES, "purpose")?,
                channel: row.get(CHALLENGES, "channel")?,
                payload: row.get(CHALLENGES, "payload")?,
            })
        })
        .transpose()
    }

    #[tracing::instrument(name = "challenges.count_try", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn count_try(
        &mut self,
        digest: TokenDigest,
        rules: &ChallengeRules,
        now: OffsetDateTime,
    ) -> Result<Option<u32>, StoreError> {
        let row = Sql::new(COUNT_TRY)
            .bind(&digest)
            .bind(&now)
            .bind(&rules.tries_per_challenge)
            .row(self)
            .await?;
        row.map(|row| row.get(CHALLENGES, "tries")).transpose()
    }

    #[tracing::instrument(name = "challenges.tries_of", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn tries_of(&mut self, digest: TokenDigest) -> Result<u32, StoreError> {
        let row = Sql::new(TRIES).bind(&digest).row(self).await?;
        row.map_or(Ok(0), |row| row.get(CHALLENGES, "tries"))
    }

    #[tracing::instrument(name = "challenges.consume", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn consume(
        &mut self,
        digest: TokenDigest,
        rules: &ChallengeRules,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let consumed = Sql::new(CONSUME)
            .bind(&digest)
            .bind(&now)
            .bind(&rules.tries_per_challenge)
            .execute(self)
            .await?;
        Ok(consumed == 1)
    }

    #[tracing::instrument(name = "challenges.use_code", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn use_code(
        &mut self,
        subject: Subject,
        purpose: Purpose,
        nonce: CodeNonce,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let used = Sql::new(USE_CODE)
            .bind(&subject)
            .bind(&purpose)
            .bind(&nonce)
            .bind(&now)
            .execute(self)
            .await?;
        Ok(used == 1)
    }

    #[tracing::instrument(name = "challenges.void_codes", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn void_codes(
        &mut self,
        subject: Subject,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        Sql::new(VOID_CODES)
            .bind(&subject)
            .bind(&now)
            .execute(self)
            .await?;
        Ok(())
    }
}

/// Reads the dispatch from a row with its three columns.
pub(crate) fn dispatch_of(row: &Row) -> Result<CodeDispatch, StoreError> {
    Ok(CodeDispatch {
        nonce: row.get(DISPATCHES, "nonce")?,
        sent_at: row.get(DISPATCHES, "sent_at")?,
        // The release before this one leaves it NULL: all its codes have six digits.
        format: row.find(DISPATCHES, "format")?.unwrap_or_default(),
    })
}
