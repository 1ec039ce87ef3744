//! Links in notices to account owners.

use async_trait::async_trait;
use authentication_app::ports::{
    Closing, HeldMessage, LinkKind, NewNoticeLink, NoticeLink, NoticeQueries, NoticeRepository,
    NoticedAct, StoreError, TakenBack,
};
use authentication_domain::{accounts::AccountId, opaque_token::TokenDigest, protection::Telling};
use time::OffsetDateTime;

use crate::{
    gatherings,
    sql::{Sql, skew},
    store::Store,
    unit_of_work::SqlUnitOfWork,
};

const LINKS: &str = "notice_links";

/// Whether account `$account` had a second factor before `$since`.
macro_rules! factor_from_before {
    ($account:literal, $since:literal) => {
        concat!(
            "(EXISTS (SELECT 1 FROM totp_factors t WHERE t.account_id = ",
            $account,
            " AND t.secret IS NOT NULL AND t.confirmed_at < ",
            $since,
            ") OR EXISTS (SELECT 1 FROM passkeys y WHERE y.account_id = ",
            $account,
            " AND y.created_at < ",
            $since,
            "))"
        )
    };
}

/// `$1` digest, `$2` account, `$3` kind, `$4` previous, `$5` now, `$6` expiry.
const KEEP: &str = concat!(
    "INSERT INTO notice_links \
     (digest, account_id, kind, previous, created_at, expires_at, had_second_factor) \
     VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN ",
    factor_from_before!("$2", "$5"),
    " THEN 1 ELSE 0 END)"
);

/// The earliest unanswered notice between two times. By `notice_links_account_id_idx`. `$1` account, `$2` since,
/// `$3` until.
const FIRST: &str = "SELECT created_at, had_second_factor FROM notice_links \
     WHERE account_id = $1 AND kind = 'not_me' AND created_at >= $2 AND created_at <= $3 \
     AND claimed_at IS NULL ORDER BY created_at, had_second_factor LIMIT 1";

/// `$1` account, `$2` since, `$3` whether there was a second factor. The keys and indexes begin with the account.
const TAKE_BACK_PASSKEYS: &str = concat!(
    "DELETE FROM passkeys WHERE account_id = $1 AND created_at >= $2 AND ($3 = 0 OR ",
    factor_from_before!("$1", "$2"),
    ")"
);

/// The same for the authenticator app.
const TAKE_BACK_TOTP: &str = concat!(
    "DELETE FROM totp_factors WHERE account_id = $1 AND secret IS NOT NULL AND confirmed_at >= $2 \
     AND ($3 = 0 OR ",
    factor_from_before!("$1", "$2"),
    ")"
);

/// Recovery codes added since, and all of them once no other second factor is left. `$1` account, `$2` since.
const TAKE_BACK_CODES: &str = "DELETE FROM recovery_codes WHERE account_id = $1 \
     AND (created_at >= $2 OR NOT (EXISTS \
     (SELECT 1 FROM totp_factors t WHERE t.account_id = $1 AND t.secret IS NOT NULL) \
     OR EXISTS (SELECT 1 FROM passkeys y WHERE y.account_id = $1)))";

/// `$1` account, `$2` since.
const TAKE_BACK_IDENTITY: &str =
    "DELETE FROM federated_identities WHERE account_id = $1 AND linked_at >= $2";

/// By the primary key. `$1` digest, `$2` kind, `$3` now.
const FIND: &str = concat!(
    "SELECT account_id, previous, created_at, had_second_factor FROM notice_links \
     WHERE digest = $1 AND kind = $2 AND claimed_at IS NULL AND expires_at > $3 \
     AND created_at <= $3 + ",
    skew!()
);

/// By the primary key. `$1` digest, `$2` kind, `$3` now.
const CLAIM: &str = concat!(
    "UPDATE notice_links SET claimed_at = $3 \
     WHERE digest = $1 AND kind = $2 AND claimed_at IS NULL AND expires_at > $3 \
     AND created_at <= $3 + ",
    skew!()
);

/// By `notice_links_account_id_idx`. `$1` account, `$2` kind, `$3` since, `$4` now.
const VOID: &str = "UPDATE notice_links SET claimed_at = $4 \
     WHERE account_id = $1 AND kind = $2 AND created_at >= $3 AND claimed_at IS NULL";

#[async_trait]
impl NoticeQueries for Store {
    #[tracing::instrument(name = "notices.find_notice_link", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn find_notice_link(
        &self,
        digest: TokenDigest,
        kind: LinkKind,
        now: OffsetDateTime,
    ) -> Result<Option<NoticeLink>, StoreError> {
        let row = Sql::new(FIND)
            .bind(&digest)
            .bind(kind.as_str())
            .bind(&now)
            .row(&self.readers)
            .await?;
        row.map(|row| {
            Ok(NoticeLink {
                account: row.get(LINKS, "account_id")?,
                previous: row.find(LINKS, "previous")?,
                created_at: row.get(LINKS, "created_at")?,
                had_second_factor: row.get::<u32>(LINKS, "had_second_factor")? == 1,
            })
        })
        .transpose()
    }
}

#[async_trait]
impl NoticeRepository for SqlUnitOfWork {
    #[tracing::instrument(name = "notices.keep_link", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn keep_link(&mut self, link: &NewNoticeLink) -> Result<(), StoreError> {
        Sql::new(KEEP)
            .bind(&link.digest)
            .bind(&link.account)
            .bind(link.kind.as_str())
            .bind(&link.previous)
            .bind(&link.created_at)
            .bind(&link.expires_at)
            .execute(self)
            .await?;
        Ok(())
    }

    #[tracing::instrument(name = "notices.claim_link", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn claim_link(
        &mut self,
        digest: TokenDigest,
        kind: LinkKind,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let claimed = Sql::new(CLAIM)
            .bind(&digest)
            .bind(kind.as_str())
            .bind(&now)
            .execute(self)
            .await?;
        Ok(claimed == 1)
    }

    /// Five statements.
    #[tracing::instrument(name = "notices.take_back", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn take_back(&mut self, link: &NoticeLink) -> Result<TakenBack, StoreError> {
        let account = link.account;
        let first = Sql::new(FIRST)
            .bind(&account)
            .bind(&(link.created_at - NoticeLink::LOOKS_BACK))
            .bind(&link.created_at)
            .row(self)
            .await?;
        let (since, had_second_factor) = match first {
            Some(first) => (
                first.get(LINKS, "created_at")?,
                first.get(LINKS, "had_second_factor")?,
            ),
            None => (link.created_at, u32::from(link.had_second_factor)),
        };
        let factors = async |delete| {
            Sql::new(delete)
                .bind(&account)
                .bind(&since)
                .bind(&had_second_factor)
                .execute(&*self)
                .await
        };
        let taken = TakenBack {
            passkeys: factors(TAKE_BACK_PASSKEYS).await?,
            authenticators: factors(TAKE_BACK_TOTP).await?,
            identities: Sql::new(TAKE_BACK_IDENTITY)
                .bind(&account)
                .bind(&since)
                .execute(&*self)
                .await?,
        };
        Sql::new(TAKE_BACK_CODES)
            .bind(&account)
            .bind(&since)
            .execute(&*self)
            .await?;
        Ok(taken)
    }

    #[tracing::instrument(name = "notices.void_links", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn void_links(
        &mut self,
        account: AccountId,
        kind: LinkKind,
        since: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        Sql::new(VOID)
            .bind(&account)
            .bind(kind.as_str())
            .bind(&since)
            .bind(&now)
            .execute(self)
            .await?;
        Ok(())
    }

    #[tracing::instrument(name = "notices.gather", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn gather(&mut self, act: &NoticedAct) -> Result<Telling, StoreError> {
        gatherings::gather(self, act).await
    }

    /// Two statements.
    #[tracing::instrument(name = "notices.close_gathering", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn close_gathering(
        &mut self,
        held: HeldMessage,
        now: OffsetDateTime,
    ) -> Result<Closing, StoreError> {
        gatherings::close(self, held, now).await
    }

    /// One statement, and one more for each waiting summary.
    #[tracing::instrument(name = "notices.tell_anew", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn tell_anew(
        &mut self,
        account: AccountId,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        gatherings::tell_anew(self, account, now).await
    }
}
