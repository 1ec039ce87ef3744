//! Whether a time span is still running.

use authentication_app::ports::{
    CeremonyQuestion, Cleared, FailureScope, FlowReturn, NewCeremony, NonceUse, QuotaGrant,
};
use authentication_domain::{
    challenges::{ChallengeRules, Purpose},
    protection::LockoutRules,
};
use common::clock;
use time::OffsetDateTime;

use super::{
    Store,
    support::{MANY, begin, is_live, sign_in_record, snapshot},
    time_spans::{Made, RECENT, REMEMBERED},
};
use crate::builders::{nonce_use, send_request, sign_in_question};

impl Made {
    /// Whether it is valid, or still refuses, at `now`. Changes nothing: a unit that would is dropped.
    pub(super) async fn counts(&self, store: &Store, now: OffsetDateTime) -> bool {
        let rules = ChallengeRules::default();
        match self {
            Self::Code(subject) => {
                let sent = store.find_dispatch(*subject, Purpose::SignIn).await;
                let sent = sent.expect("an answer");
                sent.is_some_and(|it| rules.code_counts(it.sent_at, now))
            }
            Self::ResetLink(link) => {
                let found = store.find_reset_link(*link).await.expect("an answer");
                found.is_some_and(|it| rules.link_counts(it.dispatch.sent_at, now))
            }
            Self::Challenge(challenge) => {
                let mut unit = begin(store).await;
                let live = unit.challenges().lock_live(challenge.digest, now).await;
                let is_live = live.expect("an answer").is_some();
                let consumed = unit
                    .challenges()
                    .consume(challenge.digest, &rules, now)
                    .await;
                assert_eq!(consumed.expect("an answer"), is_live);
                is_live
            }
            Self::WaitingSignIn(waiting) => {
                let mut unit = begin(store).await;
                let done = unit
                    .second_factors()
                    .complete_pending(waiting.digest, MANY, now);
                done.await.expect("an answer")
            }
            Self::Ceremony(ceremony) => {
                let NewCeremony {
                    holder,
                    purpose,
                    id,
                    ..
                } = *ceremony;
                let question = CeremonyQuestion {
                    holder,
                    purpose,
                    credential: None,
                    device: None,
                    now,
                };
                let found = store
                    .find_ceremony(question)
                    .await
                    .expect("an answer")
                    .is_some();
                let mut unit = begin(store).await;
                let consumed = unit
                    .passkeys()
                    .consume_ceremony(holder, purpose, id, now)
                    .await;
                assert_eq!(consumed.expect("an answer"), found);
                found
            }
            Self::Nonce(nonce) => {
                let mut unit = begin(store).await;
                let brought = NonceUse {
                    now,
                    ..nonce_use(nonce.digest)
                };
                let used = unit.federation().use_nonce(brought).await;
                used.expect("an answer")
            }
            Self::Flow(flow) => {
                let mut unit = begin(store).await;
                let claimed = unit
                    .federation()
                    .claim_flow(FlowReturn {
                        now,
                        ..crate::builders::flow_return(flow)
                    })
                    .await;
                claimed.expect("an answer").is_some()
            }
            Self::NoticeLink(link) => {
                let found = store.find_notice_link(link.digest, link.kind, now).await;
                let found = found.expect("an answer").is_some();
                let mut unit = begin(store).await;
                let claimed = unit.notices().claim_link(link.digest, link.kind, now).await;
                assert_eq!(claimed.expect("an answer"), found);
                found
            }
            Self::Answer(answer) => {
                let found = store.find_idempotency_record(answer.key, now).await;
                found.expect("an answer").is_some()
            }
            Self::Session(session) => is_live(store, session.id, now).await,
            Self::RecentSignIn(session) => snapshot(store, session.id, now)
                .await
                .is_some_and(|it| clock::is_within(it.proofs.first.at, RECENT, now)),
            Self::RememberedDevice(owner, device) => {
                let question = sign_in_question(&owner.index, Some(*device));
                let record = store.sign_in_record(question).await.expect("an answer");
                let until = record.device_remembered_until.expect("a device");
                clock::counts_until(until, REMEMBERED, now)
            }
            Self::Lock(_)
            | Self::Failures(_)
            | Self::Guesses(_)
            | Self::Messages(_)
            | Self::CoolDown(_) => self.refuses(store, now).await,
        }
    }

    async fn refuses(&self, store: &Store, now: OffsetDateTime) -> bool {
        let (rules, lockout) = (ChallengeRules::default(), LockoutRules::default());
        match self {
            Self::Lock(keys) => {
                let counter = sign_in_record(store, keys).await.failures;
                let is_locked = counter.is_some_and(|it| it.locked_for(now).is_some());
                let scope = FailureScope {
                    subject: keys.subject,
                    device: None,
                };
                let mut unit = begin(store).await;
                let recorded = unit.attempts().record_failure(scope, lockout, now).await;
                assert_eq!(recorded.expect("an answer").is_none(), is_locked);
                drop(unit);
                let mut unit = begin(store).await;
                let is_open = unit
                    .attempts()
                    .clear_failures(scope, Cleared::Own, lockout, now)
                    .await;
                assert_eq!(!is_open.expect("an answer"), is_locked);
                is_locked
            }
            Self::Failures(scope) => {
                let mut unit = begin(store).await;
                let counted = unit.attempts().record_failure(*scope, lockout, now).await;
                let counted = counted.expect("an answer").expect("no lock");
                counted.failures == lockout.failures
            }
            Self::Guesses(scope) => {
                let window = ChallengeRules::TRIES_WINDOW;
                let mut unit = begin(store).await;
                let counted = unit.attempts().count_try(*scope, 1, window, now).await;
                counted.expect("an answer").is_none()
            }
            Self::Messages(subject) => {
                let mut unit = begin(store).await;
                let claimed = unit
                    .challenges()
                    .claim_message_quota(*subject, &rules, now)
                    .await;
                claimed.expect("an answer") != QuotaGrant::Granted
            }
            Self::CoolDown(before) => {
                let request = send_request(before.subject, before.purpose, now);
                let mut unit = begin(store).await;
                let sent = unit.challenges().request_sending(&request, &rules).await;
                sent.expect("an answer").nonce == before.nonce
            }
            _ => false,
        }
    }
}
