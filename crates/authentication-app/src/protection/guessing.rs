//! Telling of guesses that came to their end.

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

/// What failures in a row closed.
pub(crate) struct GuessingStopped<'a> {
    pub(crate) subject: Subject,
    /// Whoever has the identifier, if anybody.
    pub(crate) owner: Option<AccountId>,
    /// `password`, or what codes of six digits are for.
    pub(crate) way: &'a str,
}

impl Foundation {
    /// The audit entry of the failure that was one too many, with its notice in the unit: the same whether or not
    /// the identifier belongs to anybody. The worker has to be woken after the commit.
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
