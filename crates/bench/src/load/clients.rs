//! The clients of a load run, one for each connection.

use std::collections::HashMap;

use serde_json::json;

use super::drive::Client;
use crate::{
    Result,
    http::{Answer, get, post},
    people::{self, Applicant, Member, PASSWORD},
};

/// Distributes people over the connections, each person to only one.
pub(super) fn shares<T>(all: &[T], connections: usize) -> impl Iterator<Item = &[T]> {
    all.chunks(all.len().div_ceil(connections.max(1)).max(1))
}

/// Repeats the same few requests, as often as the rate limits per account allow.
pub(super) struct Fixed {
    requests: Vec<Vec<u8>>,
    sent: usize,
    most: usize,
}

impl Fixed {
    /// Stays below 600 calls a minute.
    const CALLS_EACH: usize = 500;
    /// Stays below 20 sign-ins a minute, in each of two measurements.
    const SIGN_INS_EACH: usize = 9;

    fn of(requests: Vec<Vec<u8>>, times: usize) -> Self {
        let most = requests.len().saturating_mul(times);
        Self {
            requests,
            sent: 0,
            most,
        }
    }

    pub(super) fn live() -> Self {
        Self::of(vec![get("/health/live", None)], usize::MAX)
    }

    pub(super) fn me(members: &[Member]) -> Self {
        let request = |member: &Member| get("/api/v1/me", Some(&member.access_token));
        Self::of(members.iter().map(request).collect(), Self::CALLS_EACH)
    }

    pub(super) fn log_in(members: &[Member]) -> Self {
        let request = |member: &Member| {
            post(
                "/api/v1/auth/login",
                &people::credentials(&member.email, PASSWORD),
            )
        };
        Self::of(members.iter().map(request).collect(), Self::SIGN_INS_EACH)
    }
}

impl Client for Fixed {
    fn next(&mut self) -> Option<Vec<u8>> {
        if self.sent == self.most {
            return None;
        }
        let request = self.requests.get(self.sent % self.requests.len().max(1));
        self.sent += 1;
        request.cloned()
    }

    fn take(&mut self, answer: &Answer) -> bool {
        answer.status == 200
    }
}

/// Registers new people, up to the code.
pub(super) struct Applying {
    connection: usize,
    email: String,
    pub(super) applicants: Vec<Applicant>,
}

impl Applying {
    pub(super) fn new(connection: usize) -> Self {
        Self {
            connection,
            email: String::new(),
            applicants: Vec::new(),
        }
    }
}

impl Client for Applying {
    fn next(&mut self) -> Option<Vec<u8>> {
        let (connection, number) = (self.connection, self.applicants.len());
        self.email = format!("person-{connection}-{number}@example.com");
        let body = people::registration(&self.email);
        Some(post("/api/v1/auth/register", &body))
    }

    fn take(&mut self, answer: &Answer) -> bool {
        let applicant = (answer.status == 202)
            .then(|| Applicant::from(self.email.clone(), answer).ok())
            .flatten();
        let is_expected = applicant.is_some();
        self.applicants.extend(applicant);
        is_expected
    }
}

/// Completes registrations with their codes.
pub(super) struct Proving {
    waiting: Vec<(String, Vec<u8>)>,
    email: String,
    pub(super) members: Vec<Member>,
}

impl Proving {
    pub(super) fn new(applicants: &[Applicant], codes: &HashMap<String, String>) -> Result<Self> {
        let mut waiting = Vec::new();
        for applicant in applicants {
            let code = codes.get(&applicant.email).ok_or("no code")?;
            let request = post("/api/v1/auth/verify-otp", &people::proof(applicant, code));
            waiting.push((applicant.email.clone(), request));
        }
        Ok(Self {
            waiting,
            email: String::new(),
            members: Vec::new(),
        })
    }
}

impl Client for Proving {
    fn next(&mut self) -> Option<Vec<u8>> {
        let (email, request) = self.waiting.pop()?;
        self.email = email;
        Some(request)
    }

    fn take(&mut self, answer: &Answer) -> bool {
        let member = (answer.status == 201)
            .then(|| Member::from(&self.email, answer).ok())
            .flatten();
        let is_expected = member.is_some();
        self.members.extend(member);
        is_expected
    }
}

/// Refreshes every session in turn, each with the token of its last response.
pub(super) struct Refreshing {
    tokens: Vec<String>,
    current: usize,
}

impl Refreshing {
    pub(super) fn new(members: &[Member]) -> Self {
        Self {
            tokens: members.iter().map(|it| it.refresh_token.clone()).collect(),
            current: 0,
        }
    }
}

impl Client for Refreshing {
    fn next(&mut self) -> Option<Vec<u8>> {
        self.current = (self.current + 1) % self.tokens.len().max(1);
        let token = self.tokens.get(self.current)?;
        let body = json!({"refresh_token": token});
        Some(post("/api/v1/auth/token/refresh", &body))
    }

    fn take(&mut self, answer: &Answer) -> bool {
        let successor = answer
            .text("/refresh_token")
            .or_else(|_| answer.text("/tokens/refresh_token"));
        match (successor, self.tokens.get_mut(self.current)) {
            (Ok(successor), Some(token)) if answer.status == 200 => {
                *token = successor;
                true
            }
            _ => false,
        }
    }
}
