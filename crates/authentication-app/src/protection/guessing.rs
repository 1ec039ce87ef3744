//! Recording that guessing was stopped.

use authentication_domain::{
    accounts::AccountId,
    audit::{Action, Diff, Outcome},
};
use serde_json::json;
use time::OffsetDateTime;

use crate::{
    Foundation, RequestContext,
    ports::{AuditRecord, MessageKind, Recipient, StoreError, Subject, UnitOfWork},
    recorder::Act,
};

/// What consecutive failures closed.
pub(crate) struct GuessingStopped<'a> {
    pub(crate) subject: Subject,
    /// The account that has the identifier, if any.
    pub(crate) owner: Option<AccountId>,
    /// `password`, or the purpose of the six-digit codes.
    pub(crate) way: &'a str,
}

impl Foundation {
    /// Returns the audit entry of the failure that reached the limit, and queues its notice in the unit; both are
    /// the same whether or not an account has the identifier. The caller must wake the worker after the commit.
    pub(crate) async fn guessing_stopped(
        &self,
        unit: &mut dyn UnitOfWork,
        stopped: &GuessingStopped<'_>,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<AuditRecord, StoreError> {
        let act = Act::on_identifier(Action::GuessingStopped, Outcome::Success, stopped.subject)
            .about(stopped.owner)
            .diff(Diff::between(&json!({}), &json!({"way": stopped.way})));
        let to = Recipient::Subject(stopped.subject);
        self.bare_notice(unit, MessageKind::GuessingStopped, to, ctx, now)
            .await?;
        Ok(self.record(&act, ctx, now))
    }
}
