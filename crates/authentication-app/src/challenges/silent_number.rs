//! Phone numbers without a recent proof of possession: they may have been reassigned to another person. A code sent
//! to such a number therefore opens the account only together with another proof (NIST SP 800-63B-4 §3.1.3.3).

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
    /// Whether another person may by now read what is sent to the account's identifier. Queries the store only for
    /// phone numbers.
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

    /// Whether a code that is sent to the account's identifier opens it without any other proof.
    pub(crate) async fn opens_by_code(
        &self,
        owner: &OpenedAccount,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let was_proven = !owner.view.account.sign_up_method.is_by_provider();
        Ok(was_proven && !self.is_silent(owner, now).await?)
    }

    /// Records that the person who proved a code has the number. Mail addresses are not reassigned, so they need no
    /// record.
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

    /// Commits that a code was used up without effect, because the number alone is not sufficient.
    pub(crate) async fn refuse_silent_number(
        &self,
        mut unit: Box<dyn UnitOfWork>,
        action: Action,
        owner: &OpenedAccount,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let outcome = Outcome::Refused("another_proof_required");
        // The person who has the number may not be the owner, so the audit entry names no actor.
        let subject = self.index.keys_of(&owner.view.identifier).subject;
        let act = Act::on_identifier(action, outcome, subject).about(Some(owner.id()));
        unit.audit().append(&[self.record(&act, ctx, now)]).await?;
        unit.commit().await
    }
}
