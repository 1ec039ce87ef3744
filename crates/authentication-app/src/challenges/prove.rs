//! Judging a typed code: the part that sign-in, registration and reset share.
//!
//! Conditional writes in the unit that produces the response count the guess and use up the code. A guess is
//! answered only if its count was committed, so concurrent guesses learn no more than sequential ones.

use authentication_domain::{
    accounts::Closed,
    audit::{Action, Outcome},
    challenges::{ChallengeRules, CodeFormat, CodeNonce, OneTimeCode},
    opaque_token::{OpaqueToken, TokenDigest},
    sessions::DeviceId,
};
use common::clock;
use time::{Duration, OffsetDateTime};

use crate::{
    Foundation, RequestContext,
    accounts::OpenedAccount,
    ports::{
        ChallengeRecord, CodeDispatch, CodeOutcome, CodePurpose, CountedGuess, Guess, StoreError,
        Subject, TriesScope, UnitOfWork,
    },
    protection::GuessingStopped,
    recorder::Act,
    retry::retry_on_store_error,
    single_use::SingleUseError,
};

/// Why a code was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// Wrong, used, expired, replaced, for another purpose, or no such challenge; a client cannot distinguish
    /// these.
    #[error("the code does not count")]
    InvalidCode,
    /// Too many guesses on this challenge, or for this recipient and purpose.
    #[error("too many attempts")]
    TooManyAttempts {
        /// The time until guesses are allowed again.
        retry_after: Duration,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

retry_on_store_error!(ProofError);

impl SingleUseError for ProofError {
    fn used_up() -> Self {
        Self::InvalidCode
    }

    fn is_refusal(&self) -> bool {
        matches!(self, Self::InvalidCode | Self::TooManyAttempts { .. })
    }
}

/// A challenge whose code was typed correctly. Not used up yet.
pub(crate) struct RightCode {
    pub(crate) record: ChallengeRecord,
    pub(crate) digest: TokenDigest,
    /// The known device of the account, if the request presented its token.
    pub(crate) known_device: Option<DeviceId>,
    nonce: CodeNonce,
}

impl Foundation {
    /// Finds the challenge and compares the code. A wrong code is counted and recorded here.
    ///
    /// `allow` says which challenges this route accepts; any other is treated like a wrong code.
    pub(crate) async fn judge_code(
        &self,
        challenge: &OpaqueToken,
        typed: &OneTimeCode,
        allow: impl Fn(&ChallengeRecord) -> bool,
        ctx: &RequestContext,
    ) -> Result<RightCode, ProofError> {
        let now = self.clock.now();
        let digest = challenge.digest();
        let record = self
            .store
            .find_challenge(digest, ctx.claimed_device(), now)
            .await?
            .filter(|record| {
                let lifetime = self.rules.challenges.challenge_lifetime;
                !record.consumed && clock::counts_until(record.expires_at, lifetime, now)
            })
            .ok_or_else(|| {
                self.note_code(CodePurpose::Unknown, CodeOutcome::Refused);
                ProofError::InvalidCode
            })?;
        let purpose = record.purpose;
        let judged = self.judge_found(record, digest, typed, allow, ctx).await;
        if let Err(error) = &judged {
            self.note_refused_code(purpose, error);
        }
        judged
    }

    async fn judge_found(
        &self,
        record: ChallengeRecord,
        digest: TokenDigest,
        typed: &OneTimeCode,
        allow: impl Fn(&ChallengeRecord) -> bool,
        ctx: &RequestContext,
    ) -> Result<RightCode, ProofError> {
        let now = self.clock.now();
        let known_device = record
            .owner
            .and_then(|owner| self.known_device(owner, record.device, ctx));
        let rules = &self.rules.challenges;
        if record.tries.on_challenge >= rules.tries_per_challenge {
            return Err(challenge_exhausted(&record, now));
        }
        if let Some(refused) = self.no_room_for_a_guess(&record, known_device, now) {
            return Err(refused);
        }
        let counting = record
            .dispatch
            .filter(|dispatch| rules.code_counts(dispatch.sent_at, now));
        let right = counting.is_some_and(|dispatch| {
            self.macs
                .code(
                    dispatch.nonce,
                    dispatch.format,
                    record.purpose,
                    record.subject,
                )
                .matches(typed)
        });
        match counting {
            Some(dispatch) if right && allow(&record) => Ok(RightCode {
                record,
                digest,
                known_device,
                nonce: dispatch.nonce,
            }),
            _ => Err(self
                .count_wrong(&record, digest, known_device, ctx, now)
                .await?),
        }
    }

    /// Guesses of six-digit codes are limited in a time window, and in the number of consecutive failures. Once a
    /// limit is reached, another code must be sent, which is a long one. Guesses of long codes are limited by the
    /// challenge alone: they cannot be guessed, and counting them would let an attacker lock the owner out.
    fn no_room_for_a_guess(
        &self,
        record: &ChallengeRecord,
        known_device: Option<DeviceId>,
        now: OffsetDateTime,
    ) -> Option<ProofError> {
        let rules = &self.rules.challenges;
        let tries = &record.tries;
        let (in_window, in_a_row) = match known_device {
            Some(_) => (tries.in_window_from_device, tries.in_a_row_from_device),
            None => (tries.in_window, tries.in_a_row),
        };
        if record.format() == CodeFormat::Long {
            return None;
        }
        if in_a_row >= rules.most_failures_in_a_row {
            return Some(self.another_code_is_needed(record.dispatch, now));
        }
        (in_window >= rules.tries_per_window).then_some(WINDOW_EXHAUSTED)
    }

    /// Six-digit codes are no longer accepted, but only until the next code, which is a long one, can be sent.
    pub(crate) fn another_code_is_needed(
        &self,
        dispatch: Option<CodeDispatch>,
        now: OffsetDateTime,
    ) -> ProofError {
        let wait = self.rules.challenges.resend_after;
        let retry_after = dispatch.map_or(wait, |it| it.sent_at + wait - now);
        ProofError::TooManyAttempts {
            retry_after: retry_after.max(Duration::SECOND),
        }
    }

    async fn count_wrong(
        &self,
        record: &ChallengeRecord,
        digest: TokenDigest,
        known_device: Option<DeviceId>,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<ProofError, StoreError> {
        let rules = &self.rules.challenges;
        let mut unit = self.store.begin().await?;
        let counted = unit.challenges().count_try(digest, rules, now).await?;
        if counted.is_none() {
            return self.over(unit.as_mut(), record, digest, now).await;
        }
        let outcome = Outcome::Refused("invalid_code");
        let act = Act::on_identifier(Action::CodeRefused, outcome, record.subject);
        let mut entries = vec![self.record(&act, ctx, now)];
        let mut stops = false;
        if record.format() == CodeFormat::Digits {
            let guess = (record, known_device, false);
            let Some(counted) = self.count_guess(unit.as_mut(), guess, now).await? else {
                return Ok(WINDOW_EXHAUSTED);
            };
            stops = counted.in_a_row == rules.most_failures_in_a_row;
            if stops {
                let stopped = GuessingStopped {
                    subject: record.subject,
                    owner: record.owner,
                    way: record.purpose.as_str(),
                };
                let entry = self.guessing_stopped(unit.as_mut(), &stopped, ctx, now);
                entries.push(entry.await?);
            }
        }
        unit.audit().append(&entries).await?;
        unit.commit().await?;
        if stops {
            self.messages_queued.notify_one();
        }
        Ok(ProofError::InvalidCode)
    }

    /// The account that a right code opens: it has the identifier that the code was sent to, and its owner has not
    /// closed it. Otherwise the code counts as wrong. The account is read only now, so that a wrong code costs the
    /// same whether or not the identifier has an account.
    pub(crate) async fn owner_of(
        &self,
        right: &RightCode,
        ctx: &RequestContext,
    ) -> Result<OpenedAccount, ProofError> {
        let RightCode { record, .. } = right;
        let owner = match record.owner {
            Some(owner) => self.read_account(owner).await?,
            None => None,
        };
        if let Some(owner) = owner.filter(|it| self.may_be_opened_at(it, record.subject)) {
            return Ok(owner);
        }
        let (digest, device, now) = (right.digest, right.known_device, self.clock.now());
        let refused = self.count_wrong(record, digest, device, ctx, now).await?;
        self.note_refused_code(record.purpose, &refused);
        Err(refused)
    }

    /// Whether the account exists, and still has the identifier with this digest. The owner was found by the digest
    /// and read afterwards; if the identifier changed in between, later version checks would not notice, because
    /// they start from the version that was read.
    pub(crate) fn may_be_opened_at(&self, owner: &OpenedAccount, subject: Subject) -> bool {
        owner.view.account.gate() != Err(Closed::Absent) && self.is_found_by(owner, subject)
    }

    /// Uses up the code in the unit of its effect. The unit must be dropped on an error.
    pub(crate) async fn use_up(
        &self,
        unit: &mut dyn UnitOfWork,
        right: &RightCode,
        now: OffsetDateTime,
    ) -> Result<(), ProofError> {
        let used = self.use_up_once(unit, right, now).await;
        if let Err(error) = &used {
            self.note_refused_code(right.record.purpose, error);
        }
        used
    }

    async fn use_up_once(
        &self,
        unit: &mut dyn UnitOfWork,
        right: &RightCode,
        now: OffsetDateTime,
    ) -> Result<(), ProofError> {
        let RightCode { record, .. } = right;
        let rules = &self.rules.challenges;
        if !unit.challenges().consume(right.digest, rules, now).await? {
            return Err(self.over(unit, record, right.digest, now).await?);
        }
        let used = unit
            .challenges()
            .use_code(record.subject, record.purpose, right.nonce, now)
            .await?;
        if !used {
            return Err(ProofError::InvalidCode);
        }
        let guess = (record, right.known_device, true);
        match self.count_guess(unit, guess, now).await? {
            Some(_) => Ok(()),
            None => Err(WINDOW_EXHAUSTED),
        }
    }

    /// The answer to a guess that came too late, because a concurrent request used the code, or the challenge ran
    /// out of tries since it was read. It does not depend on whether the guess was right, so that among concurrent
    /// guesses the right one does not stand out.
    async fn over(
        &self,
        unit: &mut dyn UnitOfWork,
        record: &ChallengeRecord,
        digest: TokenDigest,
        now: OffsetDateTime,
    ) -> Result<ProofError, StoreError> {
        let tries = unit.challenges().tries_of(digest).await?;
        Ok(if tries >= self.rules.challenges.tries_per_challenge {
            challenge_exhausted(record, now)
        } else {
            ProofError::InvalidCode
        })
    }

    async fn count_guess(
        &self,
        unit: &mut dyn UnitOfWork,
        (record, device, right): (&ChallengeRecord, Option<DeviceId>, bool),
        now: OffsetDateTime,
    ) -> Result<Option<CountedGuess>, StoreError> {
        let scope = TriesScope {
            subject: record.subject,
            purpose: record.purpose,
            device,
        };
        let guess = Guess {
            of: record.format(),
            right,
        };
        let rules = &self.rules.challenges;
        unit.attempts().count_guess(scope, guess, rules, now).await
    }
}

fn challenge_exhausted(record: &ChallengeRecord, now: OffsetDateTime) -> ProofError {
    ProofError::TooManyAttempts {
        retry_after: record.expires_at - now,
    }
}

/// The window begins with its first guess, whose time the count does not return: a whole window is the safe answer.
const WINDOW_EXHAUSTED: ProofError = ProofError::TooManyAttempts {
    retry_after: ChallengeRules::TRIES_WINDOW,
};
