//! The step after the first factor: begin a session, or require a second factor. Every sign-in passes through here.

use authentication_domain::{
    accounts::{Identifier, SignUpMethod},
    audit::{Action, Outcome},
    mfa::{Begun, NextStep, SecondFactor},
    opaque_token::OpaqueToken,
    sessions::DeviceId,
};
use common::{
    access::{AuthenticationMethod, Proofs},
    clock,
};
use time::OffsetDateTime;

use super::{BeginError, Recording, SignIn, SignedIn};
use crate::{
    Foundation, RequestContext,
    accounts::OpenedAccount,
    ports::{MessageKind, NewPendingSignIn, StoreError, UnitOfWork},
    recorder::Act,
};

/// A first factor that was accepted, and is used up in the current unit.
pub(crate) struct FirstFactor<'a> {
    pub(crate) owner: &'a OpenedAccount,
    /// The known device that it comes from.
    pub(crate) device: Option<DeviceId>,
    /// Until when that device may skip the second factor, if that was enabled.
    pub(crate) remembered_until: Option<OffsetDateTime>,
    pub(crate) method: AuthenticationMethod,
    /// The kind of identifier, if the proof was sent to it.
    pub(crate) came_over: Option<SignUpMethod>,
    /// Whether consecutive failures may still be counted for the identifier.
    pub(crate) failures_in_a_row: bool,
    /// Where the response is recorded, if the proof can be used only once.
    pub(crate) recording: Option<Recording<'a>>,
}

/// The result of a first factor.
#[derive(Debug)]
pub enum SignInAnswer {
    /// A session began.
    Authenticated(Box<SignedIn>),
    /// A second factor is required.
    SecondFactorRequired(SecondFactorRequired),
}

/// A sign-in that waits for its second factor.
#[derive(Debug)]
pub struct SecondFactorRequired {
    /// Opaque; the client presents it with the second factor.
    pub challenge_id: OpaqueToken,
    /// The second factors that the person may use.
    pub methods: Vec<SecondFactor>,
}

impl Foundation {
    /// Begins a session, or stores the sign-in until its second factor is proven; commits either way.
    ///
    /// The caller has checked the account's gate, and has used up the first factor in this unit.
    pub(crate) async fn go_on(
        &self,
        unit: Box<dyn UnitOfWork>,
        proven: &FirstFactor<'_>,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<SignInAnswer, BeginError> {
        let view = &proven.owner.view;
        let begun = Begun {
            first: proven.method,
            came_over: proven.came_over,
            remembered: proven.remembered_until.is_some_and(|until| {
                clock::counts_until(until, self.rules.second_factors.remember_for, now)
            }),
        };
        let (roles, factors) = (view.account.roles, view.second_factors);
        let identifier = view.identifier.method();
        let policy = &self.rules.second_factors;
        match policy.next_step(begun, roles, identifier, factors) {
            NextStep::Complete => {
                let sign_in = SignIn {
                    owner: proven.owner,
                    device: proven.device,
                    proofs: Proofs::only(proven.method, now),
                    remember_until: None,
                    failures_in_a_row: proven.failures_in_a_row,
                    recording: proven.recording,
                };
                let signed_in = self.sign_in(unit, &sign_in, ctx, now).await?;
                Ok(SignInAnswer::Authenticated(Box::new(signed_in)))
            }
            NextStep::SecondFactor(methods) => {
                let asked = self.ask(unit, proven, methods, ctx, now).await?;
                Ok(SignInAnswer::SecondFactorRequired(asked))
            }
        }
    }

    /// Begins the session of a completed sign-in with its audit entry and events, and commits. Notifies the owner
    /// if the device was unknown.
    pub(crate) async fn sign_in(
        &self,
        mut unit: Box<dyn UnitOfWork>,
        sign_in: &SignIn<'_>,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<SignedIn, BeginError> {
        let owner = sign_in.owner;
        if sign_in.failures_in_a_row {
            self.forget_in_a_row(unit.as_mut(), &owner.view.identifier)
                .await?;
        }
        let started = self.begin_session(unit.as_mut(), sign_in, ctx, now).await?;
        let act = Act::of(Action::SignIn, Outcome::Success, owner.id(), &owner.key)
            .session(started.session);
        unit.audit().append(&[self.record(&act, ctx, now)]).await?;
        let event = self.session_started(&started, owner.id(), ctx, now);
        unit.outbox().append_events(&[event]).await?;
        if sign_in.device.is_none() {
            self.notice(unit.as_mut(), MessageKind::NewDevice, owner.id(), ctx, now)
                .await?;
        }
        let account = owner.view.clone();
        let signed_in = self
            .complete(unit, started, account, sign_in.recording, now)
            .await?;
        self.messages_queued.notify_one();
        Ok(signed_in)
    }

    /// Clears all consecutive failures, including those of other devices, and thereby reopens what they had closed:
    /// a completed sign-in proves that the owner is present.
    pub(crate) async fn forget_in_a_row(
        &self,
        unit: &mut dyn UnitOfWork,
        identifier: &Identifier,
    ) -> Result<(), StoreError> {
        let keys = self.index.keys_of(identifier);
        let mut subjects = keys.earlier_subjects;
        subjects.push(keys.subject);
        unit.attempts().forget_in_a_row(&subjects).await
    }

    async fn ask(
        &self,
        mut unit: Box<dyn UnitOfWork>,
        proven: &FirstFactor<'_>,
        methods: Vec<SecondFactor>,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<SecondFactorRequired, StoreError> {
        let owner = proven.owner;
        let challenge_id = OpaqueToken::from_random(self.random_bytes());
        let sign_in = NewPendingSignIn {
            digest: challenge_id.digest(),
            account: owner.id(),
            account_version: owner.view.account.version,
            subject: self.index.keys_of(&owner.view.identifier).subject,
            first: proven.method,
            came_over: proven.came_over,
            device: proven.device,
            created_at: now,
            expires_at: now + self.rules.second_factors.pending_lifetime,
        };
        unit.second_factors().keep_pending(&sign_in).await?;
        let act = Act::of(
            Action::SecondFactorAsked,
            Outcome::Success,
            owner.id(),
            &owner.key,
        );
        unit.audit().append(&[self.record(&act, ctx, now)]).await?;
        let asked = SecondFactorRequired {
            challenge_id,
            methods,
        };
        self.record_question(unit.as_mut(), proven.recording, &asked, now)
            .await?;
        unit.commit().await?;
        Ok(asked)
    }
}
