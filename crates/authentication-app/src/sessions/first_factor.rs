//! After the first factor: a session, or the question for a second factor. Every way of signing in passes here.

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

/// A first factor that was judged good, and is used up in the unit at hand.
pub(crate) struct FirstFactor<'a> {
    pub(crate) owner: &'a OpenedAccount,
    /// A known device that it comes from.
    pub(crate) device: Option<DeviceId>,
    /// Until when that device skips the second factor, if it was told to.
    pub(crate) remembered_until: Option<OffsetDateTime>,
    pub(crate) method: AuthenticationMethod,
    /// The identifier's kind, if the proof came over what it reaches.
    pub(crate) came_over: Option<SignUpMethod>,
    /// Whether failures in a row may still be counted for the identifier.
    pub(crate) failures_in_a_row: bool,
    /// Where the answer is recorded, if the proof can be used once.
    pub(crate) recording: Option<Recording<'a>>,
}

/// What signing in answers with.
#[derive(Debug)]
pub enum SignInAnswer {
    /// A session began.
    Authenticated(Box<SignedIn>),
    /// A second factor is asked for.
    SecondFactorRequired(SecondFactorRequired),
}

/// A sign-in that waits for its second factor.
#[derive(Debug)]
pub struct SecondFactorRequired {
    /// Opaque; the client brings it with the second factor.
    pub challenge_id: OpaqueToken,
    /// What may be proven.
    pub methods: Vec<SecondFactor>,
}

impl Foundation {
    /// Begins a session, or keeps the sign-in until its second factor is proven; commits either.
    ///
    /// The caller has passed the account's gate, and used the first factor up in this unit.
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

    /// Begins the session of a sign-in that is complete, with all that tells of it, and commits. Of a device that
    /// was not known the owner is told.
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

    /// Whoever is signed in ends every row of failures, a stranger's too, and with it what it had closed.
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
