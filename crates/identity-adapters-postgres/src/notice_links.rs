//! Links in notices to the owners of accounts.

use async_trait::async_trait;
use authentication_app::ports::{
    LinkKind, NewNoticeLink, NoticeLink, NoticeQueries, NoticeRepository, StoreError,
};
use authentication_domain::{accounts::AccountId, opaque_token::TokenDigest};
use time::OffsetDateTime;

use crate::{sql::Sql, store::Store, unit_of_work::SqlUnitOfWork};

const LINKS: &str = "notice_links";

const KEEP: &str = "INSERT INTO notice_links (digest, account_id, kind, previous, created_at, expires_at) \
     VALUES ($1, $2, $3, $4, $5, $6)";

/// By the primary key. `$1` digest, `$2` kind, `$3` now.
const FIND: &str = "SELECT account_id, previous, created_at FROM notice_links \
     WHERE digest = $1 AND kind = $2 AND claimed_at IS NULL AND expires_at > $3";

/// By the primary key. `$1` digest, `$2` kind, `$3` now.
const CLAIM: &str = "UPDATE notice_links SET claimed_at = $3 \
     WHERE digest = $1 AND kind = $2 AND claimed_at IS NULL AND expires_at > $3";

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
}
