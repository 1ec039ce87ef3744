//! Ceilings over all messages.

use async_trait::async_trait;
use authentication_app::ports::{Ceiling, CeilingClaim, MessageCeilings, StoreError};
use time::OffsetDateTime;

use crate::{
    error::Fault,
    sql::{Sql, skew},
    store::Store,
};

const CEILINGS: &str = "message_ceilings";

/// Whether the counted window is still running, and does not begin in the future.
macro_rules! is_current {
    () => {
        concat!("(c.since > $2 - $3 AND c.since <= $2 + ", skew!(), ")")
    };
}

/// `$1` scope, `$2` now, `$3` the window, `$4` most messages. `refused` counts since the window filled up and is 0
/// after a granted message, so one statement counts, decides and reports.
const CLAIM: &str = concat!(
    "INSERT INTO message_ceilings AS c (scope, since, granted, refused) \
     VALUES ($1, $2, CASE WHEN $4 > 0 THEN 1 ELSE 0 END, CASE WHEN $4 > 0 THEN 0 ELSE 1 END) \
     ON CONFLICT (scope) DO UPDATE SET since = CASE WHEN ",
    is_current!(),
    " THEN c.since ELSE excluded.since END, granted = CASE WHEN NOT ",
    is_current!(),
    " THEN excluded.granted WHEN c.granted < $4 THEN c.granted + 1 ELSE c.granted END, \
     refused = CASE WHEN NOT ",
    is_current!(),
    " THEN excluded.refused WHEN c.granted < $4 THEN 0 ELSE c.refused + 1 END \
     RETURNING since, refused"
);

#[async_trait]
impl MessageCeilings for Store {
    #[tracing::instrument(name = "messages.claim_message", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn claim_message(
        &self,
        ceiling: &Ceiling,
        now: OffsetDateTime,
    ) -> Result<CeilingClaim, StoreError> {
        let row = Sql::new(CLAIM)
            .bind(ceiling.scope.as_str())
            .bind(&now)
            .bind(&ceiling.window)
            .bind(&ceiling.most)
            .row(&self.writer)
            .await?;
        let row = row.ok_or(Fault::MissingRow("a ceiling"))?;
        let since: OffsetDateTime = row.get(CEILINGS, "since")?;
        let refused: u32 = row.get(CEILINGS, "refused")?;
        Ok(if refused == 0 {
            CeilingClaim::Granted
        } else {
            CeilingClaim::Full {
                until: since + ceiling.window,
                first: refused == 1,
            }
        })
    }
}
