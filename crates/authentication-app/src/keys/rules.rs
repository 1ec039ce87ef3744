//! What each step of a key's life cycle waits for.

use std::{error::Error, fmt};

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};

use crate::{
    idempotency::REPLAYED_FOR,
    ports::{Dependents, KeySection, KeyState, KeySummary, KeyTask, RekeyingQueries, TaskProgress},
    protection::whole_seconds,
};

/// How long any node may use a session's snapshot, and with it a data key in its old wrapping. Caches keep
/// snapshots for a minute at most.
const SNAPSHOTS_LIVE_FOR: Duration = Duration::minutes(2);

/// The durations that steps wait for.
#[derive(Debug, Clone, Copy)]
pub struct StageRules {
    /// How long it takes until every node has loaded a changed key ring.
    pub settle: Duration,
    /// How long clients may cache the published key set.
    pub key_set_max_age: Duration,
    /// The longest lifetime of an access token, including leeway.
    pub access_token: Duration,
    /// How long a registration may wait for its code; it holds a password hash.
    pub registration: Duration,
    /// The longest validity of a code or link.
    pub sending: Duration,
    /// How long the counters of an identifier remain relevant at most.
    pub counters: Duration,
}

/// Why a step must wait, and what is lost if it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocker {
    /// The reason to wait.
    pub reason: String,
    /// The loss if the step is forced.
    pub loss: &'static str,
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// Why a fact could not be determined.
pub type Unknown = Box<dyn Error + Send + Sync>;

/// Reports what depends on a key. It is queried only for what a step waits for.
#[async_trait]
pub trait Evidence: Send + Sync {
    /// The number of dependents.
    ///
    /// # Errors
    /// The reason why they cannot be counted.
    async fn count(&self, of: Dependents<'_>, now: OffsetDateTime) -> Result<u64, Unknown>;

    /// The progress of key rotation tasks.
    ///
    /// # Errors
    /// The reason why the progress is unknown.
    async fn tasks(&self) -> Result<Vec<TaskProgress>, Unknown>;
}

#[async_trait]
impl<T: RekeyingQueries + ?Sized> Evidence for T {
    async fn count(&self, of: Dependents<'_>, now: OffsetDateTime) -> Result<u64, Unknown> {
        Ok(self.count_dependents(of, now).await?)
    }

    async fn tasks(&self) -> Result<Vec<TaskProgress>, Unknown> {
        Ok(self.key_tasks().await?)
    }
}

/// Collects the blockers of a step for one key.
struct Case<'a> {
    key: &'a KeySummary,
    evidence: &'a dyn Evidence,
    now: OffsetDateTime,
    found: Vec<Blocker>,
}

impl StageRules {
    /// The blockers of promoting the next key of a section to the current one. An unknown fact is a blocker, too.
    pub async fn against_promoting(
        &self,
        next: &KeySummary,
        evidence: &dyn Evidence,
        now: OffsetDateTime,
    ) -> Vec<Blocker> {
        let mut case = Case::new(next, evidence, now);
        let unknown = "nodes that do not know the key yet refuse what is made under it";
        case.wait(self.settle, "every node has to take the key up", unknown);
        match next.section {
            KeySection::Signing => case.wait(
                self.key_set_max_age + self.settle,
                "whoever keeps the published key set has to fetch the key",
                "gateways refuse new access tokens until they fetch the key set again",
            ),
            KeySection::BlindIndex => {
                case.count(
                    Dependents::AccountsWithout(&next.stored_as),
                    "accounts have no index row under it",
                    "their owners cannot sign in, and others can register their identifiers",
                )
                .await;
            }
            _ => {}
        }
        case.found
    }

    /// The blockers of retiring a key. For the current key, these are its dependents.
    pub async fn against_retiring(
        &self,
        key: &KeySummary,
        current: &KeySummary,
        evidence: &dyn Evidence,
        now: OffsetDateTime,
    ) -> Vec<Blocker> {
        let mut case = Case::new(key, evidence, now);
        // For the current key, only dependents are counted.
        let was_used = key.state == KeyState::Previous;
        if was_used {
            let lagging = "nodes that have not taken the change up yet still use the key";
            case.wait(self.settle, lagging, lagging);
        }
        // Until then, a lagging node may have made something under the key.
        let until = key.since.unwrap_or(now) + self.settle;
        match key.section {
            KeySection::FieldEncryption => case.master_key().await,
            KeySection::BlindIndex if key.state != KeyState::Next => {
                case.count(
                    Dependents::AccountsWithout(&current.stored_as),
                    "accounts have no index row under the current key",
                    "their owners cannot sign in, and others can register their identifiers",
                )
                .await;
                if was_used {
                    case.wait(
                        self.counters + self.settle,
                        "failures, guesses and messages of before are counted under it",
                        "they are forgotten: whoever guesses gets fresh tries, and codes on their way are void",
                    );
                }
            }
            KeySection::RefreshTokens => {
                case.count(
                    Dependents::Sessions(&key.stored_as),
                    "live sessions have their refresh tokens under it",
                    "they end with their access tokens",
                )
                .await;
            }
            KeySection::DeviceTokens if was_used => {
                case.count(
                    Dependents::DevicesUnusedSince(until),
                    "devices have a token under it",
                    "they count as unknown until they sign in again",
                )
                .await;
            }
            KeySection::Codes if was_used => case.codes(self, until).await,
            KeySection::PasswordPepper => {
                case.count(
                    Dependents::Hashes(&key.stored_as),
                    "passwords are hashed with it",
                    "their owners have to reset them",
                )
                .await;
                if was_used {
                    case.wait(
                        self.registration + self.settle,
                        "registrations that wait for their code have hashes with it",
                        "those who complete one then have to reset their password",
                    );
                }
            }
            KeySection::Signing if was_used => case.wait(
                self.access_token + self.settle,
                "access tokens under it still live",
                "they are refused; clients refresh",
            ),
            _ => {}
        }
        case.found
    }
}

impl<'a> Case<'a> {
    const fn new(key: &'a KeySummary, evidence: &'a dyn Evidence, now: OffsetDateTime) -> Self {
        Self {
            key,
            evidence,
            now,
            found: Vec::new(),
        }
    }

    /// Requires that the key has been in its state for `time`. For a key without time stamps, the time counts from
    /// now.
    fn wait(&mut self, time: Duration, why: &str, loss: &'static str) {
        self.wait_from(self.key.since.unwrap_or(self.now), time, why, loss);
    }

    fn wait_from(&mut self, from: OffsetDateTime, time: Duration, why: &str, loss: &'static str) {
        let left = from + time - self.now;
        if left.is_positive() {
            let seconds = whole_seconds(left);
            self.found.push(Blocker {
                reason: format!("{why}: wait another {}", spelled(seconds)),
                loss,
            });
        }
    }

    async fn count(&mut self, of: Dependents<'_>, what: &str, loss: &'static str) {
        let reason = match self.evidence.count(of, self.now).await {
            Ok(0) => return,
            Ok(count) => format!("{count} {what}"),
            Err(error) => format!("it is not known how many {what}: {error}"),
        };
        self.found.push(Blocker { reason, loss });
    }

    async fn master_key(&mut self) {
        let id = &self.key.stored_as;
        self.count(
            Dependents::DataKeys(id),
            "data keys of accounts are wrapped by it",
            "everything personal of these accounts is lost for ever",
        )
        .await;
        self.count(
            Dependents::ServiceKeys(id),
            "data keys of the service are wrapped by it",
            "the service does not start any more",
        )
        .await;
        self.count(
            Dependents::ValuesUnder(id),
            "values of an earlier release are sealed by it",
            "they cannot be read any more: addresses in the audit trail, registrations, recorded answers",
        )
        .await;
        if self.key.state != KeyState::Previous {
            return;
        }
        let rewrapped_at = match self.evidence.tasks().await {
            Ok(tasks) => {
                let mut rewrapping = tasks.iter().filter(|it| it.task == KeyTask::Rewrapping);
                rewrapping.next().map(|it| it.last_at)
            }
            // Assume that it was done just now.
            Err(_) => Some(self.now),
        };
        if let Some(at) = rewrapped_at {
            self.wait_from(
                at,
                SNAPSHOTS_LIVE_FOR,
                "nodes may hold data keys in their old wrapping",
                "requests of some sessions fail for a minute",
            );
        }
    }

    async fn codes(&mut self, rules: &StageRules, until: OffsetDateTime) {
        let sent = Dependents::SendingsBefore {
            at: until,
            live_for: rules.sending,
        };
        self.count(sent, "codes or links under it still count", "they are void")
            .await;
        self.count(
            Dependents::AnswersExpiringBefore(until + REPLAYED_FOR),
            "recorded answers have their fingerprints under it",
            "repetitions of those requests are refused as misuse of their key",
        )
        .await;
    }
}

/// A readable duration: `90 s` instead of `PT90S`.
fn spelled(seconds: u32) -> String {
    match seconds {
        0..=120 => format!("{seconds} s"),
        121..=7_200 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3_600)),
    }
}
