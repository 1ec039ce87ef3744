//! Telling of guesses that came to their end.

use authentication_domain::{
    accounts::AccountId,
    audit::{Action, Diff, Outcome},
};
use serde_json::json;
use time::OffsetDateTime;

use crate::{
    Foundation, RequestContext,
    ports::{AuditRecord, MessageKind, MessageOrder, Recipient, Subject},
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
    /// The entry and the notice of the failure that was one too many, the same whether or not anybody has the
    /// identifier. The worker has to be woken after the commit.
    pub(crate) fn guessing_stopped(
        &self,
        stopped: &GuessingStopped<'_>,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> (AuditRecord, MessageOrder) {
        let act = Act::on_identifier(Action::GuessingStopped, Outcome::Success, stopped.subject)
            .about(stopped.owner)
            .diff(Diff::between(&json!({}), &json!({"way": stopped.way})));
        let to = Recipient::Subject(stopped.subject);
        (
            self.record(&act, ctx, now),
            self.message(MessageKind::GuessingStopped, to, ctx, now),
        )
    }
}
