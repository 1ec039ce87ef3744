//! What clients do to connections, over raw sockets: they stop in the middle, send a byte now and then, read
//! nothing, come in crowds, and say where a request ends in two ways at once.
//!
//! Nothing here waits for a time to pass. Deadlines are short, a test waits for what follows from them, and a
//! connection that stays open is ended by the runner's deadline.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a broken expectation fails the test"
)]

mod bounds;
mod deadlines;
mod framing;
mod service;
