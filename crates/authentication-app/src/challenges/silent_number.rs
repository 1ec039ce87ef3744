//! Numbers that were silent for long: they may be somebody else's by now, so a code that was sent to one opens
//! the account only with something else beside it (NIST SP 800-63B-4 §3.1.3.3).

use authentication_domain::{
    accounts::SignUpMethod,
    audit::{Action, Outcome},
};
use time::OffsetDateTime;

use crate::{
    Foundation, RequestContext,
    accounts::OpenedAccount,
    ports::{StoreError, UnitOfWork},
    recorder::Act,
};

impl Foundation {
    /// Whether what is sent to the account's identifier may be read by somebody else by now. Asks the store about
    /// numbers alone.
    pub(crate) async fn is_silent(
        &self,
        owner: &OpenedAccount,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let account = &owner.view.account;
        let method = owner.view.identifier.method();
        if method != SignUpMethod::Phone {
            return Ok(false);
        }
        let proven_at = self.store.identifier_proven_at(account.id).await?;
        let proven_at = proven_at.unwrap_or(account.timestamps.created_at);
        Ok(self.rules.identifiers.is_silent(method, proven_at, now))
    }

    /// Whether a code that is sent to the account's identifier opens it without anything else.
    pub(crate) async fn opens_by_code(
        &self,
        owner: &OpenedAccount,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let was_proven = !owner.view.account.sign_up_method.is_by_provider();
        Ok(was_proven && !self.is_silent(owner, now).await?)
    }

    /// Notes that whoever proved a code has the number; addresses are not handed on.
    pub(crate) async fn note_number_proven(
        &self,
        unit: &mut dyn UnitOfWork,
        owner: &OpenedAccount,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        if owner.view.identifier.method() != SignUpMethod::Phone {
            return Ok(());
        }
        unit.accounts()
            .note_identifier_proven(owner.id(), now)
            .await
    }

    /// Commits that a code was used up for nothing, since the number alone is not enough.
    pub(crate) async fn refuse_silent_number(
        &self,
        mut unit: Box<dyn UnitOfWork>,
        action: Action,
        owner: &OpenedAccount,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let outcome = Outcome::Refused("another_proof_required");
        // Whoever has the number need not be the owner: nobody is known to have acted.
        let subject = self.index.keys_of(&owner.view.identifier).subject;
        let act = Act::on_identifier(action, outcome, subject).about(Some(owner.id()));
        unit.audit().append(&[self.record(&act, ctx, now)]).await?;
        unit.commit().await
    }
}
