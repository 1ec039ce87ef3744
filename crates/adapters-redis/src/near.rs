//! Connections for threads that have a runtime to themselves, as the workers of the HTTP server do.
//!
//! Whoever asks over a connection that another thread drives wakes that thread with the question and is woken by
//! it with the answer: as much work as the rest of the call. A connection of the thread's own needs neither.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    thread::{self, ThreadId},
};

use deadpool_redis::redis::aio::MultiplexedConnection;
use tokio::runtime::{Handle, RuntimeFlavor};

/// By thread, those of a line: when that is lost, all beside it count as lost too.
#[derive(Default)]
pub(crate) struct NearConnections(Mutex<HashMap<ThreadId, Near>>);

struct Near {
    line: u64,
    /// `None` while it is being opened, and when it could not be.
    connection: Option<MultiplexedConnection>,
}

/// What a thread finds.
pub(crate) enum Found {
    /// Its own connection.
    Own(MultiplexedConnection),
    /// None, and it is the first to look: it is to open one, for its later calls.
    ToOpen,
    /// None; the common one does.
    None,
}

impl NearConnections {
    /// What there is for the calling thread beside this line.
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

    /// Keeps what the calling thread opened beside this line.
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

/// Whether a task of this runtime stays on this thread.
fn has_runtime_to_itself() -> bool {
    Handle::try_current().is_ok_and(|it| it.runtime_flavor() == RuntimeFlavor::CurrentThread)
}
