//! Every time span during which something is valid, or is refused.

use authentication_app::ports::{
    FailureScope, IdempotencyRecord, IndexKeys, LinkKind, NewAccount, NewCeremony, NewChallenge,
    NewFlow, NewNonce, NewNoticeLink, NewPendingSignIn, NewSession, SendRequest, Subject,
    TriesScope,
};
use authentication_domain::{
    accounts::IdentifierRules,
    challenges::{ChallengeRules, Purpose},
    federation::FederationRules,
    opaque_token::TokenDigest,
    passkeys::{CeremonyPurpose, PasskeyRules},
    protection::LockoutRules,
    sessions::DeviceId,
};
use time::{Duration, OffsetDateTime};

use super::{
    Store,
    support::{MANY, begin_session, somebody},
};
use crate::builders::{
    id, idempotency_record, index_keys, new_ceremony, new_challenge, new_flow, new_nonce,
    new_notice_link, new_session_at, pending_sign_in, send_request, subject, token_digest,
};

/// How long a device skips the second factor.
pub(super) const REMEMBERED: Duration = Duration::days(30);
/// How long a sign-in counts as recent.
pub(super) const RECENT: Duration = Duration::minutes(10);
/// How long a session may be idle, and its absolute lifetime.
const IDLE: Duration = Duration::minutes(15);
const ABSOLUTE: Duration = Duration::hours(12);

#[derive(Debug, Clone, Copy)]
pub(super) enum Span {
    Code,
    ResetLink,
    Challenge,
    WaitingSignIn,
    Ceremony,
    Nonce,
    Flow,
    NoticeLink,
    Answer,
    IdleSession,
    SessionAtItsEnd,
    RecentSignIn,
    RememberedDevice,
    Lock,
    Failures,
    Guesses,
    Messages,
    CoolDown,
}

use Span::{
    Answer, Ceremony, Challenge, Code, CoolDown, Failures, Flow, Guesses, IdleSession, Lock,
    Messages, Nonce, NoticeLink, RecentSignIn, RememberedDevice, ResetLink, SessionAtItsEnd,
    WaitingSignIn,
};

pub(super) const SPANS: [Span; 18] = [
    Code,
    ResetLink,
    Challenge,
    WaitingSignIn,
    Ceremony,
    Nonce,
    Flow,
    NoticeLink,
    Answer,
    IdleSession,
    SessionAtItsEnd,
    RecentSignIn,
    RememberedDevice,
    Lock,
    Failures,
    Guesses,
    Messages,
    CoolDown,
];

/// The record with which a span began.
pub(super) enum Made {
    Code(Subject),
    ResetLink(TokenDigest),
    Challenge(NewChallenge),
    WaitingSignIn(NewPendingSignIn),
    Ceremony(NewCeremony),
    Nonce(NewNonce),
    Flow(NewFlow),
    NoticeLink(NewNoticeLink),
    Answer(IdempotencyRecord),
    Session(NewSession),
    RecentSignIn(NewSession),
    RememberedDevice(NewAccount, DeviceId),
    Lock(IndexKeys),
    Failures(FailureScope),
    Guesses(TriesScope),
    Messages(Subject),
    CoolDown(SendRequest),
}

impl Span {
    pub(super) fn life(self) -> Duration {
        let rules = ChallengeRules::default();
        match self {
            Code => rules.code_lifetime,
            ResetLink => rules.link_lifetime,
            Challenge => rules.challenge_lifetime,
            WaitingSignIn => Duration::minutes(10),
            Ceremony => PasskeyRules::LONGEST_CEREMONY,
            Nonce | Flow => FederationRules::LONGEST,
            NoticeLink => IdentifierRules::default().notice_link_lifetime,
            Answer => IdempotencyRecord::REPLAYED_FOR,
            IdleSession => IDLE,
            SessionAtItsEnd => ABSOLUTE,
            RecentSignIn => RECENT,
            RememberedDevice => REMEMBERED,
            Lock | Failures => LockoutRules::WINDOW,
            Guesses => ChallengeRules::TRIES_WINDOW,
            Messages => Duration::HOUR,
            CoolDown => rules.resend_after,
        }
    }

    pub(super) async fn make(self, store: &Store, now: OffsetDateTime) -> Made {
        let rules = ChallengeRules::default();
        let end = now + self.life();
        match self {
            Code => {
                let request = send_request(subject(), Purpose::SignIn, now);
                in_unit!(store, challenges.request_sending(&request, &rules)).expect("it is sent");
                Made::Code(request.subject)
            }
            ResetLink => {
                let link = token_digest();
                let request = SendRequest {
                    link: Some(link),
                    ..send_request(subject(), Purpose::PasswordReset, now)
                };
                in_unit!(store, challenges.request_sending(&request, &rules)).expect("it is sent");
                Made::ResetLink(link)
            }
            Challenge => {
                let challenge = NewChallenge {
                    created_at: now,
                    expires_at: end,
                    ..new_challenge(&index_keys(), Purpose::SignIn)
                };
                in_unit!(store, challenges.insert(&challenge)).expect("it is kept");
                Made::Challenge(challenge)
            }
            WaitingSignIn => {
                let waiting = NewPendingSignIn {
                    created_at: now,
                    expires_at: end,
                    ..pending_sign_in(&somebody(store).await)
                };
                in_unit!(store, second_factors.keep_pending(&waiting)).expect("it is kept");
                Made::WaitingSignIn(waiting)
            }
            Ceremony => {
                let ceremony = NewCeremony {
                    expires_at: end,
                    ..new_ceremony(CeremonyPurpose::SignIn)
                };
                in_unit!(store, passkeys.begin_ceremony(&ceremony)).expect("it is kept");
                Made::Ceremony(ceremony)
            }
            Nonce => {
                let nonce = NewNonce {
                    expires_at: end,
                    ..new_nonce()
                };
                in_unit!(store, federation.keep_nonce(&nonce)).expect("it is kept");
                Made::Nonce(nonce)
            }
            Flow => {
                let flow = NewFlow {
                    expires_at: end,
                    ..new_flow()
                };
                in_unit!(store, federation.keep_flow(&flow)).expect("it is kept");
                Made::Flow(flow)
            }
            NoticeLink => {
                let owner = somebody(store).await.record.account.id;
                let link = NewNoticeLink {
                    created_at: now,
                    expires_at: end,
                    ..new_notice_link(owner, LinkKind::NotMe)
                };
                in_unit!(store, notices.keep_link(&link)).expect("it is kept");
                Made::NoticeLink(link)
            }
            Answer => {
                let answer = IdempotencyRecord {
                    expires_at: end,
                    ..idempotency_record()
                };
                in_unit!(store, idempotency.record(&answer, now)).expect("it is kept");
                Made::Answer(answer)
            }
            IdleSession | SessionAtItsEnd | RecentSignIn => self.make_session(store, now).await,
            RememberedDevice => {
                let (owner, device) = (somebody(store).await, id());
                let account = owner.record.account.id;
                in_unit!(store, devices.remember(account, device, MANY, now)).expect("it is kept");
                in_unit!(store, devices.remember_until(account, device, end)).expect("it is kept");
                Made::RememberedDevice(owner, device)
            }
            Lock | Failures | Guesses | Messages | CoolDown => self.make_refusal(store, now).await,
        }
    }

    async fn make_session(self, store: &Store, now: OffsetDateTime) -> Made {
        let owner = somebody(store).await.record.account.id;
        let session = match self {
            IdleSession => NewSession {
                idle: IDLE,
                ..new_session_at(owner, now)
            },
            SessionAtItsEnd => NewSession {
                idle: Duration::days(14),
                absolute_deadline: now + ABSOLUTE,
                ..new_session_at(owner, now)
            },
            _ => new_session_at(owner, now),
        };
        begin_session(store, &session).await;
        match self {
            RecentSignIn => Made::RecentSignIn(session),
            _ => Made::Session(session),
        }
    }

    async fn make_refusal(self, store: &Store, now: OffsetDateTime) -> Made {
        let rules = ChallengeRules::default();
        let keys = index_keys();
        let scope = FailureScope {
            subject: keys.subject,
            device: None,
        };
        let lockout = LockoutRules::default();
        match self {
            Lock => {
                for _ in 0..lockout.failures {
                    in_unit!(store, attempts.record_failure(scope, lockout, now)).expect("counted");
                }
                Made::Lock(keys)
            }
            Failures => {
                for _ in 1..lockout.failures {
                    in_unit!(store, attempts.record_failure(scope, lockout, now)).expect("counted");
                }
                Made::Failures(scope)
            }
            Guesses => {
                let scope = TriesScope {
                    subject: keys.subject,
                    purpose: Purpose::SignIn,
                    device: None,
                };
                let window = ChallengeRules::TRIES_WINDOW;
                in_unit!(store, attempts.count_try(scope, 1, window, now)).expect("counted");
                Made::Guesses(scope)
            }
            Messages => {
                for _ in 0..rules.messages_per_hour {
                    let recipient = keys.subject;
                    in_unit!(
                        store,
                        challenges.claim_message_quota(recipient, &rules, now)
                    )
                    .expect("counted");
                }
                Made::Messages(keys.subject)
            }
            _ => {
                let request = send_request(keys.subject, Purpose::SignIn, now);
                in_unit!(store, challenges.request_sending(&request, &rules)).expect("it is sent");
                Made::CoolDown(request)
            }
        }
    }
}
