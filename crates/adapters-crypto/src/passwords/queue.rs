//! The queue of jobs for the hashing threads.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::memory::Memory;

/// How long an idle thread keeps its buffer. A busy service has shorter gaps between hashes, and the remains
/// of the last hash stay in memory no longer than this.
const KEEPS_BUFFER: Duration = Duration::from_secs(1);

pub(super) type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// The queue is at capacity.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// A bounded FIFO queue.
pub(super) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    capacity: usize,
    keeps_buffer: Duration,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    is_closed: bool,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::default(),
            arrived: Condvar::new(),
            capacity,
            keeps_buffer: KEEPS_BUFFER,
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.lock().jobs.len()
    }

    pub(super) fn push(&self, job: Job) -> Result<(), Full> {
        let mut state = self.lock();
        if state.jobs.len() >= self.capacity {
            return Err(Full);
        }
        state.jobs.push_back(job);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// Lets the threads end once the queue is empty.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.arrived.notify_all();
    }

    /// The next job; `None` when the queue is closed and empty.
    pub(super) fn next(&self, memory: &mut Memory) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.is_closed {
                return None;
            }
            state = self.wait(state, memory);
        }
    }

    /// Waits for a change. A thread whose wait times out frees its buffer.
    fn wait<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        memory: &mut Memory,
    ) -> MutexGuard<'a, State> {
        if memory.is_at_rest() {
            let woken = self.arrived.wait(state);
            return woken.unwrap_or_else(PoisonError::into_inner);
        }
        let woken = self.arrived.wait_timeout(state, self.keeps_buffer);
        let (state, waited) = woken.unwrap_or_else(PoisonError::into_inner);
        if !waited.timed_out() || !state.jobs.is_empty() || state.is_closed {
            return state;
        }
        // Release the lock, so that others need not wait while the system takes the buffer back.
        drop(state);
        memory.rest();
        self.lock()
    }

    /// No job runs while the lock is held, so a poisoned lock leaves the state consistent.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passwords::memory::Inputs;

    fn use_some(memory: &mut Memory) {
        let params = argon2::Params::new(64, 1, 1, None).unwrap();
        let inputs = Inputs {
            algorithm: argon2::Algorithm::Argon2id,
            version: argon2::Version::V0x13,
            params: &params,
            password: b"correct horse",
            salt: &[7; 16],
            secret: b"",
        };
        memory.hash(&inputs, &mut [0; 32]).unwrap();
    }

    #[test]
    fn a_thread_keeps_its_buffer_while_there_is_work_and_no_longer() {
        let queue = Queue {
            keeps_buffer: Duration::ZERO,
            ..Queue::new(8)
        };
        let mut memory = Memory::new();
        use_some(&mut memory);
        queue.push(Box::new(|_| ())).unwrap();
        assert!(queue.next(&mut memory).is_some());
        assert!(!memory.is_at_rest());
        while !memory.is_at_rest() {
            drop(queue.wait(queue.lock(), &mut memory));
        }
    }

    #[test]
    fn a_closed_queue_gives_what_waits_and_then_nothing() {
        let queue = Queue::new(1);
        let mut memory = Memory::new();
        queue.push(Box::new(|_| ())).unwrap();
        assert_eq!(queue.push(Box::new(|_| ())), Err(Full));
        queue.close();
        assert!(queue.next(&mut memory).is_some());
        assert!(queue.next(&mut memory).is_none());
    }
}
