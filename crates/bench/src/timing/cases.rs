//! The measured routes, and the identifiers in their requests.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    control::Suspender,
    pairs::{Bound, Expected, Pair},
    population::Population,
};
use crate::{
    Result,
    http::post,
    people::{WRONG_PASSWORD, credentials, registration},
};

/// The kind of identifier in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whom {
    Nobody,
    Member,
    /// Requested an account but never proved the code.
    Unverified,
    Suspended,
}

/// The action on an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    LogIn,
    /// After the number of failures that locks the identifier.
    LogInLocked,
    Register,
    Code(&'static str),
    /// For a challenge that was requested before.
    Resend,
    WrongCode,
}

/// Two classes of identifiers on one route.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) bound: Bound,
    pub(super) expected: Expected,
    pub(super) status: u16,
    pub(super) known_longer_by: Duration,
    ask: Ask,
    known: Whom,
}

pub(super) const NO_DUMMY_HASH: &str = "control: a service without a dummy hash";

impl Case {
    const fn new(name: &'static str, bound: Bound, status: u16, ask: Ask, known: Whom) -> Self {
        Self {
            name,
            bound,
            expected: Expected::NoDifference,
            status,
            known_longer_by: Duration::ZERO,
            ask,
            known,
        }
    }
}

/// The cases for the release binary.
pub(super) fn all() -> Vec<Case> {
    use Bound::{Hash, NoHash};
    const LOGIN_CODE: Ask = Ask::Code("/api/v1/auth/login/otp");
    const RESET: Ask = Ask::Code("/api/v1/auth/password/reset");
    vec![
        Case::new(
            "control: login, nobody and nobody",
            Hash,
            401,
            Ask::LogIn,
            Whom::Nobody,
        ),
        Case::new(
            "login, member and nobody",
            Hash,
            401,
            Ask::LogIn,
            Whom::Member,
        ),
        Case::new(
            "login, unverified and nobody",
            Hash,
            401,
            Ask::LogIn,
            Whom::Unverified,
        ),
        Case::new(
            "login, suspended and nobody",
            Hash,
            401,
            Ask::LogIn,
            Whom::Suspended,
        ),
        Case::new(
            "register, taken and free",
            Hash,
            202,
            Ask::Register,
            Whom::Member,
        ),
        Case::new(
            "control: login/otp, nobody and nobody",
            NoHash,
            202,
            LOGIN_CODE,
            Whom::Nobody,
        ),
        Case {
            expected: Expected::Difference,
            known_longer_by: Duration::from_micros(150),
            ..Case::new(
                "control: login/otp, 150 µs more for one",
                NoHash,
                202,
                LOGIN_CODE,
                Whom::Nobody,
            )
        },
        Case::new(
            "login/otp, member and nobody",
            NoHash,
            202,
            LOGIN_CODE,
            Whom::Member,
        ),
        Case::new(
            "password/reset, member and nobody",
            NoHash,
            202,
            RESET,
            Whom::Member,
        ),
        Case::new(
            "resend-otp, member and nobody",
            NoHash,
            202,
            Ask::Resend,
            Whom::Member,
        ),
        Case::new(
            "verify-otp, member and nobody",
            NoHash,
            401,
            Ask::WrongCode,
            Whom::Member,
        ),
        Case::new(
            "login while locked, member and nobody",
            NoHash,
            429,
            Ask::LogInLocked,
            Whom::Member,
        ),
    ]
}

/// The case for a service without a dummy hash.
pub(super) fn no_dummy_hash() -> Case {
    Case {
        expected: Expected::Difference,
        ..Case::new(NO_DUMMY_HASH, Bound::Hash, 401, Ask::LogIn, Whom::Member)
    }
}

impl Case {
    /// Brings people into the state of the case, and prepares the requests about them.
    pub(super) fn pairs<'a>(
        &self,
        population: &mut Population,
        wanted: usize,
        suspender: impl FnOnce() -> Result<Suspender<'a>>,
    ) -> Result<Vec<Pair>> {
        let uses = self.ask.uses();
        let people = wanted.div_ceil(uses);
        let known = match self.known {
            Whom::Nobody => population.nobody(people),
            Whom::Member => population.members_for(self.ask.tag(), people)?,
            Whom::Unverified => population.unverified(people)?,
            Whom::Suspended => population.suspended(people, suspender()?)?,
        };
        let unknown = population.nobody(people);
        let known = self.ask.requests(population, &known)?;
        let unknown = self.ask.requests(population, &unknown)?;
        let pairs = known.into_iter().zip(unknown);
        let pairs: Vec<_> = pairs
            .map(|(known, unknown)| Pair { known, unknown })
            .collect();
        // In rounds, so that no identifier is used twice in a row.
        let rounds = (0..uses).flat_map(|_| pairs.iter().cloned());
        Ok(rounds.take(wanted).collect())
    }
}

impl Ask {
    /// How many times an identifier can be used. A lock no longer changes its state, but there are limits per
    /// minute.
    const fn uses(self) -> usize {
        match self {
            Self::LogInLocked => 14,
            _ => 1,
        }
    }

    /// Cases with different tags can use the same person without affecting each other.
    const fn tag(self) -> &'static str {
        match self {
            // A failed sign-in counts towards the lock.
            Self::LogIn | Self::LogInLocked => "login",
            Self::Register => "register",
            Self::Code(path) => path,
            // Both send a code first, and the daily limit of messages per recipient is low.
            Self::Resend | Self::WrongCode => "challenge",
        }
    }

    fn requests(self, population: &mut Population, whom: &[String]) -> Result<Vec<Vec<u8>>> {
        let log_in =
            |email: &String| post("/api/v1/auth/login", &credentials(email, WRONG_PASSWORD));
        let of_challenges = |path: &str, body: fn(&str) -> Value, challenges: Vec<String>| {
            challenges.iter().map(|it| post(path, &body(it))).collect()
        };
        Ok(match self {
            Self::LogIn => whom.iter().map(log_in).collect(),
            Self::LogInLocked => {
                population.lock(whom)?;
                whom.iter().map(log_in).collect()
            }
            Self::Register => {
                let request = |email: &String| post("/api/v1/auth/register", &registration(email));
                whom.iter().map(request).collect()
            }
            Self::Code(path) => {
                let request = |email: &String| post(path, &json!({"identifier": email}));
                whom.iter().map(request).collect()
            }
            Self::Resend => of_challenges(
                "/api/v1/auth/resend-otp",
                |it| json!({"challenge_id": it}),
                population.challenges(whom)?,
            ),
            Self::WrongCode => of_challenges(
                "/api/v1/auth/verify-otp",
                |it| json!({"challenge_id": it, "code": "000000"}),
                population.challenges(whom)?,
            ),
        })
    }
}
