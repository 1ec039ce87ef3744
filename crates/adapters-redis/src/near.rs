//! Connections for threads that have their own runtime, such as the workers of the HTTP server.
//!
//! A call over a connection that another thread drives wakes that thread with the request, and is woken by it with the
//! answer. Those wake-ups cost as much as the rest of the call. A thread's own connection needs neither.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    thread::{self, ThreadId},
};

use deadpool_redis::redis::aio::MultiplexedConnection;
use tokio::runtime::{Handle, RuntimeFlavor};

/// Connections by thread, each belonging to a line. When the line is lost, they count as lost too.
#[derive(Default)]
pub(crate) struct NearConnections(Mutex<HashMap<ThreadId, Near>>);

struct Near {
    line: u64,
    /// `None` while it is being opened, and if opening failed.
    connection: Option<MultiplexedConnection>,
}

/// The result of looking up a thread's connection.
pub(crate) enum Found {
    /// The thread has its own connection.
    Own(MultiplexedConnection),
    /// The thread has none and is the first to look: it opens one for its later calls.
    ToOpen,
    /// The thread has none and uses the shared connection.
    None,
}

impl NearConnections {
    /// Looks up the calling thread's connection for this line.
    pub(crate) fn find(&self, line: u64) -> Found {
        if !has_runtime_to_itself() {
            return Found::None;
        }
        let mut all = self.lock();
        match all.get(&thread::current().id()) {
            Some(near) if near.line == line => {
                near.connection.clone().map_or(Found::None, Found::Own)
            }
            _ => {
                let opening = Near {
                    line,
                    connection: None,
                };
                all.insert(thread::current().id(), opening);
                Found::ToOpen
            }
        }
    }

    /// Stores the connection that the calling thread opened for this line.
    pub(crate) fn keep(&self, line: u64, connection: MultiplexedConnection) {
        if let Some(near) = self.lock().get_mut(&thread::current().id())
            && near.line == line
        {
            near.connection = Some(connection);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ThreadId, Near>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether tasks of this runtime stay on this thread.
fn has_runtime_to_itself() -> bool {
    Handle::try_current().is_ok_and(|it| it.runtime_flavor() == RuntimeFlavor::CurrentThread)
}
