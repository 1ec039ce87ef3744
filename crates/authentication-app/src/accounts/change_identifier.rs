//! Changing the identifier.
//!
//! A code is sent to the new identifier, and is valid only for the session that requested it. No account is looked
//! up, so a request does not reveal whether the identifier is taken: the owner of a taken one gets a notice instead
//! of the code, as with a registration. Proving the code swaps everything in one unit. The previous identifier gets
//! a notice with a link that undoes the change; until that link expires, no other account can take the previous
//! identifier.

use authentication_domain::{
    accounts::{Account, AccountId, Identifier, IdentifierRules},
    audit::{Action, Diff, Outcome},
    challenges::{OneTimeCode, Purpose},
    events::Event,
    opaque_token::{OpaqueToken, TokenDigest},
    sessions::{EndReason, SessionId},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{AccountView, Accounts, OpenedAccount, view::seal_identifier};
use crate::{
    RequestContext,
    challenges::{CodeRequest, IssuedChallenge, Pending, ProofError, RightCode, SendError, Typed},
    corrupt,
    ports::{
        ChallengeRecord, CodeOutcome, IdentifierSwap, SessionSnapshot, StoreError, Subject,
        TriesScope, UniqueRule,
    },
    recorder::Act,
    retry::{MayBeRetried, retrying},
    single_use::{Presented, SingleUse, SingleUseError},
};

/// Why no challenge was issued.
#[derive(Debug, thiserror::Error)]
pub enum ChangeIdentifierError {
    /// The account already has this identifier.
    #[error("the account has this identifier")]
    Unchanged,
    /// No message was queued.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl From<StoreError> for ChangeIdentifierError {
    fn from(error: StoreError) -> Self {
        Self::Send(error.into())
    }
}

impl MayBeRetried for ChangeIdentifierError {
    fn is_retryable(&self) -> bool {
        matches!(self, Self::Send(error) if error.is_retryable())
    }
}

/// A typed code.
#[derive(Debug)]
pub struct ConfirmIdentifier {
    /// The challenge of the code.
    pub challenge: OpaqueToken,
    /// What the person typed.
    pub code: OneTimeCode,
}

/// Why the identifier was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmIdentifierError {
    /// The code is not valid.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The account was changed concurrently; the code stays valid.
    #[error("the account was changed at the same moment")]
    Conflict,
}

impl From<StoreError> for ConfirmIdentifierError {
    fn from(error: StoreError) -> Self {
        Self::Proof(error.into())
    }
}

impl SingleUseError for ConfirmIdentifierError {
    fn used_up() -> Self {
        Self::Proof(ProofError::used_up())
    }

    fn is_refusal(&self) -> bool {
        matches!(self, Self::Proof(error) if error.is_refusal())
    }
}

impl MayBeRetried for ConfirmIdentifierError {
    fn is_retryable(&self) -> bool {
        matches!(self, Self::Proof(ProofError::Store(error)) if error.is_retryable())
    }
}

/// What is stored until the code of a change is proven. Sealed.
#[derive(Serialize, Deserialize)]
pub(crate) struct PendingChange {
    account: AccountId,
    session: SessionId,
    /// The account version at the time of the request. `None` if an earlier release stored it.
    #[serde(default)]
    version: Option<i64>,
    identifier: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    language: Option<String>,
}

impl PendingChange {
    /// What the message with the code needs.
    pub(crate) fn for_its_message(&self) -> Zeroizing<String> {
        let typed = Typed {
            identifier: &self.identifier,
            language: self.language.as_deref(),
            asking: Some(self.account),
        };
        typed.to_text()
    }

    fn is_of(&self, who: &SessionSnapshot) -> bool {
        self.account == who.owner.account.id && self.session == who.session
    }
}

impl Accounts {
    /// Sends a code to the new identifier, unless one was sent within the last minute (`POST /me/identifier`).
    ///
    /// # Errors
    /// [`ChangeIdentifierError`]; nothing is stored then.
    #[tracing::instrument(skip_all)]
    pub async fn request_identifier_change(
        &self,
        who: &SessionSnapshot,
        identifier: &Identifier,
        ctx: &RequestContext,
    ) -> Result<IssuedChallenge, ChangeIdentifierError> {
        retrying(|| self.request_once(who, identifier, ctx)).await
    }

    async fn request_once(
        &self,
        who: &SessionSnapshot,
        identifier: &Identifier,
        ctx: &RequestContext,
    ) -> Result<IssuedChallenge, ChangeIdentifierError> {
        let base = &self.base;
        // The snapshot may be outdated; a change that begins under an old version could never be confirmed.
        let now = base.clock.now();
        let fresh = base.as_of_now(who, now).await?;
        let opened = base.open_account(&fresh.owner)?;
        if opened.view.identifier.index_form() == identifier.index_form() {
            return Err(ChangeIdentifierError::Unchanged);
        }
        self.ask_for_change(who, &opened, identifier, ctx).await
    }

    async fn ask_for_change(
        &self,
        who: &SessionSnapshot,
        opened: &OpenedAccount,
        identifier: &Identifier,
        ctx: &RequestContext,
    ) -> Result<IssuedChallenge, ChangeIdentifierError> {
        let base = &self.base;
        let now = base.clock.now();
        let purpose = Purpose::IdentifierChange;
        let pending = PendingChange {
            account: opened.id(),
            session: who.session,
            version: Some(opened.view.account.version),
            identifier: identifier.to_text(),
            language: opened.view.profile.language.clone(),
        };
        // A signed-in person could otherwise send messages to any number. Counted for the account id, which does
        // not change with the identifier.
        let account = opened.id().as_uuid();
        let asked = TriesScope {
            subject: Subject(base.vault.lasting_fingerprint(account.as_bytes())),
            purpose,
            device: None,
        };
        let request = CodeRequest {
            identifier,
            keys: base.index_keys(identifier).await?,
            purpose,
            pending: Some(Pending::Change(&pending)),
        };
        let draft = base.draft_challenge(&request, now);
        let act = Act::of(
            Action::IdentifierChangeRequested,
            Outcome::Success,
            opened.id(),
            &opened.key,
        )
        .session(who.session);
        let entry = base.record(&act, ctx, now);
        let most = base.rules.identifiers.changes_per_window;
        let window = IdentifierRules::REQUESTS_WINDOW;
        let mut unit = base.store.begin().await?;
        let counted = unit.attempts().count_try(asked, most, window, now).await?;
        base.hold_session(unit.as_mut(), who, now).await?;
        if counted.is_none() {
            let retry_after = window;
            return Err(SendError::TooManyMessages { retry_after }.into());
        }
        let issued = base.issue(unit.as_mut(), draft, ctx, now).await?;
        unit.audit().append(&[entry]).await?;
        unit.commit().await?;
        base.messages_queued.notify_one();
        Ok(issued)
    }

    /// Sets the identifier that the code proves, ends the account's other sessions, and notifies the previous
    /// identifier (`POST /me/identifier/confirm`).
    ///
    /// # Errors
    /// [`ConfirmIdentifierError`]; a wrong guess is counted.
    #[tracing::instrument(skip_all)]
    pub async fn confirm_identifier_change(
        &self,
        who: &SessionSnapshot,
        command: &ConfirmIdentifier,
        ctx: &RequestContext,
    ) -> Result<AccountView, ConfirmIdentifierError> {
        let code = command.code.expose().as_bytes();
        let digest = command.challenge.digest();
        let session = who.session.as_uuid();
        let came_back = [code, session.as_bytes().as_slice()];
        let presented = Presented::new(SingleUse::Identifier, digest, &came_back, ctx);
        let changed = retrying(|| self.confirm_once(who, command, &presented, ctx)).await;
        let base = &self.base;
        let again = async |()| {
            let fresh = base.as_of_now(who, base.clock.now()).await?;
            Ok(Some(base.open_account(&fresh.owner)?.view))
        };
        let changed = base.settle_once(&presented, changed, again).await?;
        self.base
            .note_code(Purpose::IdentifierChange, CodeOutcome::Proven);
        Ok(changed)
    }

    async fn confirm_once(
        &self,
        who: &SessionSnapshot,
        command: &ConfirmIdentifier,
        presented: &Presented,
        ctx: &RequestContext,
    ) -> Result<AccountView, ConfirmIdentifierError> {
        let base = &self.base;
        let digest = command.challenge.digest();
        let allow = |record: &ChallengeRecord| {
            record.purpose == Purpose::IdentifierChange
                && self
                    .pending_of(digest, record)
                    .is_ok_and(|it| it.is_of(who))
        };
        let right = base
            .judge_code(&command.challenge, &command.code, allow, ctx)
            .await?;
        let pending = self.pending_of(digest, &right.record)?;
        let identifier = Identifier::from_stored(&pending.identifier)
            .map_err(|_| corrupt("challenges", "payload"))?;
        let fresh = base.as_of_now(who, base.clock.now()).await?;
        if pending.version != Some(fresh.owner.account.version) {
            // The account's credentials have changed since the request.
            base.note_code(Purpose::IdentifierChange, CodeOutcome::Refused);
            return Err(ProofError::InvalidCode.into());
        }
        let opened = base.open_account(&fresh.owner)?;
        self.swap(who, (&right, presented), opened, identifier, ctx)
            .await
    }

    fn pending_of(
        &self,
        digest: TokenDigest,
        record: &ChallengeRecord,
    ) -> Result<PendingChange, StoreError> {
        let payload = self.base.open_payload(digest, &record.payload)?;
        payload
            .change
            .ok_or_else(|| corrupt("challenges", "payload"))
    }

    async fn swap(
        &self,
        who: &SessionSnapshot,
        (right, presented): (&RightCode, &Presented),
        mut opened: OpenedAccount,
        identifier: Identifier,
        ctx: &RequestContext,
    ) -> Result<AccountView, ConfirmIdentifierError> {
        let base = &self.base;
        let now = base.clock.now();
        let account = opened.id();
        let index = base.index.keys_of(&identifier);
        let sealed = seal_identifier(base.vault.as_ref(), account, &opened.key, &identifier);
        // If the previous number may have been reassigned, its current holder must not be able to take the account.
        let can_be_undone = !base.is_silent(&opened, now).await?;
        let swap = IdentifierSwap {
            account,
            read_version: opened.view.account.version,
            identifier: &sealed,
            method: identifier.method(),
            index: &index,
            reserve_until: can_be_undone.then(|| now + base.rules.identifiers.undo_for),
            now,
        };
        let mut unit = base.begin_as(who, now).await?;
        base.use_up(unit.as_mut(), right, now).await?;
        match unit.accounts().change_identifier(swap).await {
            Ok(true) => {}
            Ok(false) => return Err(ConfirmIdentifierError::Conflict),
            // Another request proved the same identifier first. The later one learns only that its code is invalid.
            Err(StoreError::Conflict(UniqueRule::Identifier)) => {
                base.note_code(Purpose::IdentifierChange, CodeOutcome::Refused);
                return Err(ProofError::InvalidCode.into());
            }
            Err(error) => return Err(error.into()),
        }
        unit.second_factors().end_pending(account).await?;
        let act = Act::of(
            Action::IdentifierChanged,
            Outcome::Success,
            account,
            &opened.key,
        )
        .session(who.session)
        .diff(diff_of(&opened.view.identifier, &identifier));
        unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        let event = base.event(changed_event(account, &identifier, false), ctx, now);
        unit.outbox().append_events(&[event]).await?;
        let owner = (account, &opened.key);
        let reason = EndReason::IdentifierChanged;
        let told = base
            .end_others(unit.as_mut(), owner, who.session, reason, ctx, now)
            .await?;
        base.record_single_use(unit.as_mut(), presented, &(), now)
            .await?;
        base.notice_of_change(unit.as_mut(), &opened, can_be_undone, ctx, now)
            .await?;
        base.commit_and_tell(unit, &told).await?;
        base.messages_queued.notify_one();
        note_change(&mut opened.view.account, &identifier, now);
        opened.view.identifier = identifier;
        Ok(opened.view)
    }
}

/// The change for the audit log, where it is sealed under the person's key.
pub(super) fn diff_of(before: &Identifier, after: &Identifier) -> Diff {
    Diff::between(
        &json!({"identifier": before.to_text()}),
        &json!({"identifier": after.to_text()}),
    )
}

pub(super) const fn changed_event(
    account: AccountId,
    identifier: &Identifier,
    undone: bool,
) -> Event {
    Event::IdentifierChanged {
        account,
        method: identifier.method(),
        undone,
    }
}

/// Applies the unit's changes to the account in memory.
fn note_change(account: &mut Account, identifier: &Identifier, now: OffsetDateTime) {
    account.sign_up_method = identifier.method();
    account.version += 1;
    account.timestamps = account.timestamps.touched(now);
}
