//! Sends requests over several connections, each with a thread that waits for its responses.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    Result,
    http::{Answer, Connection},
    service::{Service, thread_sleep},
};

/// The result of a measurement.
#[derive(Default)]
pub(super) struct Driven {
    /// Response times in milliseconds, of all expected responses.
    pub(super) took: Vec<f64>,
    pub(super) errors: u64,
    pub(super) seconds: f64,
}

impl Driven {
    fn add(&mut self, other: Self) {
        self.took.extend(other.took);
        self.errors += other.errors;
        self.seconds = self.seconds.max(other.seconds);
    }
}

/// The work of one connection. Yields requests until there are no more.
pub(super) trait Client: Send {
    fn next(&mut self) -> Option<Vec<u8>>;
    /// Checks a response; `false` when it is not the expected one.
    fn take(&mut self, answer: &Answer) -> bool;
}

/// Lets every client send one request after the other for `duration`, or until it has no more.
pub(super) fn drive<C: Client>(
    service: &Service,
    clients: &mut [C],
    duration: Duration,
    pause: Duration,
) -> Result<Driven> {
    let mut connections = Vec::new();
    for _ in 0..clients.len() {
        connections.push(service.connect()?);
    }
    let parts: Vec<Result<Driven>> = thread::scope(|scope| {
        let threads: Vec<_> = clients
            .iter_mut()
            .zip(connections)
            .map(|(client, connection)| {
                scope.spawn(move || work(client, connection, duration, pause))
            })
            .collect();
        let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
        joined
            .map(|it| it.unwrap_or_else(|_| Err("a client panicked".into())))
            .collect()
    });
    let mut whole = Driven::default();
    for part in parts {
        whole.add(part?);
    }
    Ok(whole)
}

fn work(
    client: &mut impl Client,
    mut connection: Connection,
    duration: Duration,
    pause: Duration,
) -> Result<Driven> {
    let mut done = Driven::default();
    let begun = Instant::now();
    while begun.elapsed() < duration {
        let Some(request) = client.next() else { break };
        let answer = connection.send(&request)?;
        if client.take(&answer) {
            done.took.push(crate::statistics::millis(answer.took));
        } else {
            done.errors += 1;
        }
        if !pause.is_zero() {
            thread_sleep(pause);
        }
    }
    done.seconds = begun.elapsed().as_secs_f64();
    Ok(done)
}
