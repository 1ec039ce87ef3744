//! Reads of second factors and of pending sign-ins.

use async_trait::async_trait;
use authentication_app::ports::{
    NewPendingSignIn, PendingSignInRecord, SecondFactorQueries, StoreError, TotpRecord, TotpState,
};
use authentication_domain::{
    accounts::AccountId,
    challenges::{ChallengeRules, CodeNonce},
    opaque_token::TokenDigest,
};
use common::clock::SKEW;
use time::OffsetDateTime;

use crate::{
    account_record::{account_columns, account_of, account_parts},
    accounts::moved_since,
    attempts::{NO_DEVICE, any_in_a_row, in_a_row_of},
    challenges::{DISPATCHES, dispatch_of},
    second_factors::{PENDING, TOTP},
    sql::{Row, Sql},
    store::Store,
};

/// All by primary keys. `$1` digest, `$2` no device, `$3` and `$4` the times between which guesses count.
const FIND_PENDING: &str = concat!(
    "SELECT n.account_id, n.account_version, n.subject, n.method, n.came_over, n.device_id, \
     n.created_at AS pending_created_at, n.expires_at, n.consumed_at, n.tries AS pending_tries, \
     CASE WHEN t.since > $3 AND t.since <= $4 THEN t.tries END AS window_tries, t.in_a_row, \
     s.nonce, s.sent_at, s.format, f.secret, f.last_step, f.failures, ",
    in_a_row_of!("n.account_id"),
    ", ",
    account_columns!(),
    " FROM pending_sign_ins n JOIN accounts a ON a.id = n.account_id",
    account_parts!(),
    "LEFT JOIN totp_factors f ON f.account_id = n.account_id \
     LEFT JOIN code_dispatches s \
     ON s.subject = n.subject AND s.purpose = 'second_factor' AND s.used_at IS NULL \
     LEFT JOIN code_tries t ON t.subject = n.subject AND t.purpose = 'second_factor' \
     AND t.device_id = CASE WHEN n.device_id IS NULL THEN $2 ELSE n.device_id END \
     WHERE n.digest = $1"
);

/// An enrolment that was begun under an earlier version of the account is void.
const TOTP_STATE: &str = concat!(
    "SELECT secret, last_step, failures, CASE WHEN NOT ",
    moved_since!("t.account_id", "t.moves_seen"),
    " THEN pending_secret END AS pending_secret, pending_at \
     FROM totp_factors t WHERE t.account_id = $1"
);

#[async_trait]
impl SecondFactorQueries for Store {
    #[tracing::instrument(name = "second_factors.find_pending_sign_in", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn find_pending_sign_in(
        &self,
        digest: TokenDigest,
        window_since: OffsetDateTime,
    ) -> Result<Option<PendingSignInRecord>, StoreError> {
        let row = Sql::new(FIND_PENDING)
            .bind(&digest)
            .bind(&NO_DEVICE)
            .bind(&window_since)
            .bind(&(window_since + ChallengeRules::TRIES_WINDOW + SKEW))
            .row(&self.readers)
            .await?;
        row.map(|row| pending_of(&row, digest)).transpose()
    }

    #[tracing::instrument(name = "second_factors.totp_state", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn totp_state(&self, account: AccountId) -> Result<TotpState, StoreError> {
        let row = Sql::new(TOTP_STATE)
            .bind(&account)
            .row(&self.readers)
            .await?;
        let Some(row) = row else {
            return Ok(TotpState::default());
        };
        let pending = match row.find(TOTP, "pending_secret")? {
            Some(secret) => Some((secret, row.get(TOTP, "pending_at")?)),
            None => None,
        };
        Ok(TotpState {
            active: totp_of(&row)?,
            pending,
        })
    }
}

fn pending_of(row: &Row, digest: TokenDigest) -> Result<PendingSignInRecord, StoreError> {
    let consumed_at: Option<OffsetDateTime> = row.find(PENDING, "consumed_at")?;
    let nonce: Option<CodeNonce> = row.find(DISPATCHES, "nonce")?;
    let in_window: Option<u32> = row.find("code_tries", "window_tries")?;
    let in_a_row: Option<u32> = row.find("code_tries", "in_a_row")?;
    Ok(PendingSignInRecord {
        sign_in: NewPendingSignIn {
            digest,
            account: row.get(PENDING, "account_id")?,
            account_version: row.get(PENDING, "account_version")?,
            subject: row.get(PENDING, "subject")?,
            first: row.get(PENDING, "method")?,
            came_over: row.find(PENDING, "came_over")?,
            device: row.find(PENDING, "device_id")?,
            created_at: row.get(PENDING, "pending_created_at")?,
            expires_at: row.get(PENDING, "expires_at")?,
        },
        owner: account_of(row)?,
        consumed: consumed_at.is_some(),
        tries: row.get(PENDING, "pending_tries")?,
        tries_in_window: in_window.unwrap_or_default(),
        codes_in_a_row: in_a_row.unwrap_or_default(),
        failures_in_a_row: any_in_a_row(row)?,
        totp: totp_of(row)?,
        dispatch: nonce.map(|_| dispatch_of(row)).transpose()?,
    })
}

fn totp_of(row: &Row) -> Result<Option<TotpRecord>, StoreError> {
    let Some(secret) = row.find(TOTP, "secret")? else {
        return Ok(None);
    };
    Ok(Some(TotpRecord {
        secret,
        last_step: row.find(TOTP, "last_step")?,
        failures: row.get(TOTP, "failures")?,
    }))
}
