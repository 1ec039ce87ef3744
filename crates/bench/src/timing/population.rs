//! Creates people in every state, through the public API.

use std::{collections::HashMap, net::SocketAddr, thread};

use serde_json::json;

use super::control::Suspender;
use crate::{
    Result,
    http::Connection,
    people::{self, Member, WRONG_PASSWORD},
};

/// Number of failures that lock an identifier.
const FAILURES: usize = 5;
/// Number of connections that set up people in parallel.
const HELPERS: usize = 4;

pub(super) struct Population {
    address: SocketAddr,
    members: Vec<String>,
    /// Number of members used, by purpose.
    used: HashMap<&'static str, usize>,
    named: usize,
}

impl Population {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            members: Vec::new(),
            used: HashMap::new(),
            named: 0,
        }
    }

    /// Unknown addresses, all of the same length and indistinguishable from known ones.
    pub(super) fn nobody(&mut self, count: usize) -> Vec<String> {
        let first = self.named;
        self.named += count;
        let name = |number: usize| format!("person-{number:08}@example.com");
        (first..self.named).map(name).collect()
    }

    /// Members that have not been used for this purpose yet.
    pub(super) fn members_for(&mut self, what: &'static str, count: usize) -> Result<Vec<String>> {
        let used = self.used.get(what).copied().unwrap_or_default();
        let missing = (used + count).saturating_sub(self.members.len());
        let new = self.register(missing)?;
        self.members.extend(new.into_iter().map(|it| it.email));
        self.used.insert(what, used + count);
        let free = self.members.get(used..used + count);
        Ok(free.unwrap_or_default().to_vec())
    }

    pub(super) fn unverified(&mut self, count: usize) -> Result<Vec<String>> {
        let emails = self.nobody(count);
        self.in_parallel(&emails, people::apply)?;
        Ok(emails)
    }

    pub(super) fn suspended(
        &mut self,
        count: usize,
        suspender: Suspender<'_>,
    ) -> Result<Vec<String>> {
        let members = self.register(count)?;
        let ids: Vec<_> = members.iter().map(|it| it.id.as_str()).collect();
        suspender.suspend(&ids)?;
        Ok(members.into_iter().map(|it| it.email).collect())
    }

    /// Makes failed sign-ins until the identifiers are locked.
    pub(super) fn lock(&self, whom: &[String]) -> Result<()> {
        self.in_parallel(whom, |connection, whom| {
            for email in whom {
                let body = people::credentials(email, WRONG_PASSWORD);
                for _ in 0..FAILURES {
                    connection.post("/api/v1/auth/login", &body)?.expect(401)?;
                }
            }
            Ok(Vec::<()>::new())
        })?;
        Ok(())
    }

    /// Requests a challenge for each identifier, known or not.
    pub(super) fn challenges(&self, whom: &[String]) -> Result<Vec<String>> {
        self.in_parallel(whom, |connection, whom| {
            let asked = whom.iter().map(|email| {
                let body = json!({"identifier": email});
                let answer = connection
                    .post("/api/v1/auth/login/otp", &body)?
                    .expect(202)?;
                answer.text("/challenge_id")
            });
            asked.collect()
        })
    }

    fn register(&mut self, count: usize) -> Result<Vec<Member>> {
        let emails = self.nobody(count);
        let mut members = Vec::with_capacity(count);
        for some in emails.chunks(people::AT_ONCE) {
            let applicants = self.in_parallel(some, people::apply)?;
            let codes = people::codes_of(&mut Connection::open(self.address)?, &applicants)?;
            members.extend(self.in_parallel(&applicants, |connection, applicants| {
                people::prove(connection, applicants, &codes)
            })?);
        }
        Ok(members)
    }

    /// Distributes the work over a few connections and keeps the order.
    fn in_parallel<T: Sync, R: Send>(
        &self,
        all: &[T],
        work: impl Fn(&mut Connection, &[T]) -> Result<Vec<R>> + Sync,
    ) -> Result<Vec<R>> {
        let share = all.len().div_ceil(HELPERS).max(1);
        let parts: Vec<Result<Vec<R>>> = thread::scope(|scope| {
            let threads: Vec<_> = all
                .chunks(share)
                .map(|some| scope.spawn(|| work(&mut Connection::open(self.address)?, some)))
                .collect();
            let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
            joined
                .map(|it| it.unwrap_or_else(|_| Err("a helper panicked".into())))
                .collect()
        });
        let mut whole = Vec::with_capacity(all.len());
        for part in parts {
            whole.extend(part?);
        }
        Ok(whole)
    }
}
