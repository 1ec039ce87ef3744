//! Reads of one-time codes.

use async_trait::async_trait;
use authentication_app::ports::{
    ChallengeQueries, ChallengeRecord, CodeDispatch, ResetLinkRecord, StoreError, Subject,
    TriesUsed,
};
use authentication_domain::{
    challenges::{ChallengeRules, CodeNonce, Purpose},
    opaque_token::TokenDigest,
    sessions::DeviceId,
};
use common::clock::SKEW;
use time::OffsetDateTime;

use crate::{
    attempts::{NO_DEVICE, any_in_a_row},
    challenges::{CHALLENGES, DISPATCHES, dispatch_of},
    sql::{Row, Sql},
    store::Store,
};

/// All by primary keys. `$1` digest, `$2` device, `$3` no device, `$4` and `$5` the times between which guesses count.
/// During a key change an account may have two index entries.
const FIND_CHALLENGE: &str = "SELECT \
     CAST(CASE WHEN EXISTS (SELECT 1 FROM sign_in_failures r WHERE r.subject = c.subject AND r.in_a_row > 0) \
     OR EXISTS (SELECT 1 FROM code_tries r WHERE r.subject = c.subject AND r.in_a_row > 0) \
     THEN 1 ELSE 0 END AS bigint) AS any_in_a_row, c.subject, c.purpose, c.channel, c.payload, c.expires_at, c.consumed_at, \
     c.tries AS challenge_tries, s.nonce, s.sent_at, s.format, \
     CASE WHEN t.since > $4 AND t.since <= $5 THEN t.tries END AS window_tries, t.in_a_row, \
     CASE WHEN td.since > $4 AND td.since <= $5 THEN td.tries END AS device_tries, \
     td.in_a_row AS device_in_a_row, o.account_id, d.id AS device_id, d.remembered_until FROM challenges c \
     LEFT JOIN code_dispatches s \
     ON s.subject = c.subject AND s.purpose = c.purpose AND s.used_at IS NULL \
     LEFT JOIN code_tries t ON t.subject = c.subject AND t.purpose = c.purpose \
     AND t.device_id = $3 \
     LEFT JOIN identifier_index o ON o.digest IN (c.index_digest, c.second_index_digest) \
     AND o.reserved_until IS NULL \
     LEFT JOIN devices d ON d.account_id = o.account_id AND d.id = $2 \
     LEFT JOIN code_tries td ON td.subject = c.subject AND td.purpose = c.purpose \
     AND td.device_id = d.id \
     WHERE c.digest = $1 LIMIT 1";

/// By `code_dispatches_link_digest_idx`, then by primary keys: a subject is a digest of `identifier_index`.
const FIND_RESET_LINK: &str = "SELECT s.subject, s.nonce, s.sent_at, s.format, (SELECT i.account_id \
     FROM identifier_index i WHERE i.digest = s.subject AND i.reserved_until IS NULL LIMIT 1) AS account_id \
     FROM code_dispatches s WHERE s.link_digest = $1 AND s.used_at IS NULL";

const FIND_DISPATCH: &str = "SELECT nonce, sent_at, format FROM code_dispatches \
     WHERE subject = $1 AND purpose = $2 AND used_at IS NULL";

#[async_trait]
impl ChallengeQueries for Store {
    #[tracing::instrument(name = "challenges.find_challenge", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn find_challenge(
        &self,
        digest: TokenDigest,
        device: Option<DeviceId>,
        now: OffsetDateTime,
    ) -> Result<Option<ChallengeRecord>, StoreError> {
        let row = Sql::new(FIND_CHALLENGE)
            .bind(&digest)
            .bind(&device)
            .bind(&NO_DEVICE)
            .bind(&(now - ChallengeRules::TRIES_WINDOW))
            .bind(&(now + SKEW))
            .row(&self.readers)
            .await?;
        row.as_ref().map(challenge_of).transpose()
    }

    #[tracing::instrument(name = "challenges.find_reset_link", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn find_reset_link(
        &self,
        link: TokenDigest,
    ) -> Result<Option<ResetLinkRecord>, StoreError> {
        let row = Sql::new(FIND_RESET_LINK)
            .bind(&link)
            .row(&self.readers)
            .await?;
        row.map(|row| {
            Ok(ResetLinkRecord {
                subject: row.get(DISPATCHES, "subject")?,
                dispatch: dispatch_of(&row)?,
                owner: row.find("identifier_index", "account_id")?,
            })
        })
        .transpose()
    }

    #[tracing::instrument(name = "challenges.find_dispatch", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn find_dispatch(
        &self,
        subject: Subject,
        purpose: Purpose,
    ) -> Result<Option<CodeDispatch>, StoreError> {
        let row = Sql::new(FIND_DISPATCH)
            .bind(&subject)
            .bind(&purpose)
            .row(&self.readers)
            .await?;
        row.as_ref().map(dispatch_of).transpose()
    }
}

fn challenge_of(row: &Row) -> Result<ChallengeRecord, StoreError> {
    let consumed_at: Option<OffsetDateTime> = row.find(CHALLENGES, "consumed_at")?;
    let nonce: Option<CodeNonce> = row.find(DISPATCHES, "nonce")?;
    let in_window: Option<u32> = row.find("code_tries", "window_tries")?;
    let from_device: Option<u32> = row.find("code_tries", "device_tries")?;
    let in_a_row: Option<u32> = row.find("code_tries", "in_a_row")?;
    let in_a_row_from_device: Option<u32> = row.find("code_tries", "device_in_a_row")?;
    Ok(ChallengeRecord {
        subject: row.get(CHALLENGES, "subject")?,
        purpose: row.get(CHALLENGES, "purpose")?,
        channel: row.get(CHALLENGES, "channel")?,
        payload: row.get(CHALLENGES, "payload")?,
        expires_at: row.get(CHALLENGES, "expires_at")?,
        consumed: consumed_at.is_some(),
        dispatch: nonce.map(|_| dispatch_of(row)).transpose()?,
        tries: TriesUsed {
            on_challenge: row.get(CHALLENGES, "challenge_tries")?,
            in_window: in_window.unwrap_or_default(),
            in_window_from_device: from_device.unwrap_or_default(),
            in_a_row: in_a_row.unwrap_or_default(),
            in_a_row_from_device: in_a_row_from_device.unwrap_or_default(),
        },
        failures_in_a_row: any_in_a_row(row)?,
        owner: row.find("identifier_index", "account_id")?,
        device: row.find("devices", "device_id")?,
        device_remembered_until: row.find("devices", "remembered_until")?,
    })
}
