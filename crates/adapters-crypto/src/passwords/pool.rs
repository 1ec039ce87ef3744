//! Threads for work that takes a core and a large buffer, behind a bounded queue.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use authentication_app::ports::{HashError, Measure, Meter, NoMeter};
use tokio::sync::oneshot;

use super::{HashingConfig, memory::Memory, queue::Queue, room::Room};

/// The nice increment of the hashing threads. It gives them a tenth of the weight of threads that answer
/// requests: those go first, and hashing still progresses under full load.
#[cfg(target_os = "linux")]
const NICER_BY: i32 = 10;

pub(super) struct Pool {
    queue: Arc<Queue>,
    room: Room,
    most_waiting: usize,
    busy: Arc<AtomicUsize>,
    meter: Arc<dyn Meter>,
}

impl Pool {
    pub(super) fn start(config: &HashingConfig) -> io::Result<Self> {
        // Also dropped on an early return, which ends the threads that did start.
        let pool = Self {
            queue: Arc::new(Queue::new(config.queue)),
            room: Room::new(),
            most_waiting: config.queue,
            busy: Arc::default(),
            meter: Arc::new(NoMeter),
        };
        for number in 0..config.threads {
            let (queue, busy) = (Arc::clone(&pool.queue), Arc::clone(&pool.busy));
            let blocks = config.memory_kib as usize;
            thread::Builder::new()
                .name(format!("argon2-{number}"))
                .spawn(move || work(&queue, &busy, blocks))?;
        }
        Ok(pool)
    }

    pub(super) fn set_meter(&mut self, meter: Arc<dyn Meter>) {
        self.meter = meter;
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.waiting() + self.room.waiting()
    }

    pub(super) fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    /// Runs a hash on a thread of the pool, unless its caller has gone away before its turn.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let meter = Arc::clone(&self.meter);
        self.run_other(move |memory| {
            let begun = Instant::now();
            let done = work(memory);
            meter.note(Measure::HashComputed(begun.elapsed()));
            done
        })
        .await
    }

    /// Runs work that is not a hash in the same way.
    pub(super) async fn run_other<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let (answer, result) = oneshot::channel();
        let (meter, queued) = (Arc::clone(&self.meter), Instant::now());
        let job = Box::new(move |memory: &mut Memory| {
            meter.note(Measure::HashWaited(queued.elapsed()));
            if !answer.is_closed() {
                // The caller may have gone away in the meantime; then the result is discarded.
                let _ = answer.send(work(memory));
            }
        });
        if self.queue.push(job).is_err() {
            return Err(self.refuse());
        }
        result.await.map_err(|_| HashError::Failed)
    }

    /// Runs work that needs `kib` KiB beside the thread's own buffer. Waits for that memory first.
    pub(super) async fn run_large<T: Send + 'static>(
        &self,
        kib: u32,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, HashError> {
        if self.waiting() >= self.most_waiting {
            return Err(self.refuse());
        }
        let taken = self.room.take(kib).await?;
        self.run(move |memory| {
            let done = work(memory);
            // Free the memory before another job may take as much.
            memory.rest();
            drop(taken);
            done
        })
        .await
    }

    fn refuse(&self) -> HashError {
        self.meter.note(Measure::HashRefused);
        HashError::Overloaded
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// The main loop of a thread. `blocks` is the size of the buffer that it keeps.
fn work(queue: &Queue, busy: &AtomicUsize, blocks: usize) {
    lower_priority();
    let mut memory = Memory::new();
    while let Some(job) = queue.next(&mut memory) {
        busy.fetch_add(1, Ordering::Relaxed);
        // A panic fails only its own job, not the thread.
        if catch_unwind(AssertUnwindSafe(|| job(&mut memory))).is_err() {
            tracing::error!("a password hash panicked");
        }
        busy.fetch_sub(1, Ordering::Relaxed);
        memory.shrink_to(blocks);
    }
}

/// On Linux the nice value is per thread; on other systems it would change the whole process.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICER_BY) {
        tracing::warn!(%error, "password hashes run at full priority");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{SyncSender, channel, sync_channel};

    use super::*;
    use crate::passwords::queue::Job;

    fn pool(threads: usize, queue: usize) -> Pool {
        let config = HashingConfig {
            threads,
            queue,
            ..HashingConfig::default()
        };
        Pool::start(&config).unwrap()
    }

    /// Occupies a thread until the guard is dropped.
    fn occupy(pool: &Pool) -> SyncSender<()> {
        let (release, released) = sync_channel(1);
        let (started, has_started) = channel();
        let job: Job = Box::new(move |_| {
            started.send(()).unwrap();
            let _ = released.recv();
        });
        pool.queue.push(job).unwrap();
        has_started.recv().unwrap();
        release
    }

    #[tokio::test]
    async fn a_full_queue_says_so_at_once_and_recovers() {
        let pool = pool(1, 2);
        let busy = occupy(&pool);
        let (first, second) = (pool.run(|_| 1), pool.run(|_| 2));
        let third = async {
            assert_eq!(pool.waiting(), 2);
            let refused = pool.run(|_| 3).await;
            drop(busy);
            refused
        };
        let answers = tokio::join!(first, second, third);
        assert_eq!(answers, (Ok(1), Ok(2), Err(HashError::Overloaded)));
        assert_eq!(pool.run(|_| 4).await, Ok(4));
        assert_eq!(pool.waiting(), 0);
    }

    #[tokio::test]
    async fn large_ones_wait_for_memory_and_hold_up_nobody_else() {
        let pool = pool(2, 2);
        let (release, released) = sync_channel::<()>(1);
        let half = Room::KIB / 2 + 1;
        let first = pool.run_large(half, move |_| released.recv().is_err());
        let mut first = Box::pin(first);
        assert!(poll_once(first.as_mut()).is_pending());
        let mut second = Box::pin(pool.run_large(half, |_| 2));
        assert!(poll_once(second.as_mut()).is_pending());
        assert_eq!(pool.run(|_| 3).await, Ok(3), "a thread is free");
        assert!(poll_once(second.as_mut()).is_pending());
        assert_eq!(pool.waiting(), 1, "for memory");
        {
            let mut third = Box::pin(pool.run_large(1_000_000, |_| 4));
            assert!(poll_once(third.as_mut()).is_pending());
            let fourth = pool.run_large(1, |_| 5).await;
            assert_eq!(fourth, Err(HashError::Overloaded));
        }
        assert_eq!(pool.waiting(), 1, "the third gave up");
        drop(release);
        assert_eq!(tokio::join!(first, second), (Ok(true), Ok(2)));
        assert_eq!(pool.run_large(1_000_000, |_| 6).await, Ok(6));
        assert_eq!(pool.waiting(), 0);
    }

    #[tokio::test]
    async fn nobody_computes_what_nobody_awaits() {
        let pool = pool(1, 2);
        let busy = occupy(&pool);
        let (computed, count) = channel();
        {
            let mut gone = Box::pin(pool.run(move |_| computed.send(()).unwrap()));
            assert!(poll_once(gone.as_mut()).is_pending());
        }
        drop(busy);
        assert_eq!(pool.run(|_| 1).await, Ok(1));
        assert!(
            count.recv().is_err(),
            "the job was dropped without being run"
        );
    }

    #[tokio::test]
    async fn a_job_that_panics_takes_no_thread_with_it() {
        let pool = pool(1, 2);
        let panicked = pool.run(|_| panic!("on purpose")).await;
        assert_eq!(panicked, Err::<(), _>(HashError::Failed));
        assert_eq!(pool.run(|_| 1).await, Ok(1));
    }

    #[test]
    fn what_waits_is_still_done_when_the_pool_goes() {
        let pool = pool(1, 2);
        let busy = occupy(&pool);
        let (done, count) = channel();
        let job: Job = Box::new(move |_| done.send(()).unwrap());
        pool.queue.push(job).unwrap();
        drop(pool);
        drop(busy);
        count.recv().unwrap();
        assert!(count.recv().is_err(), "the thread has ended");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn hashing_threads_step_back_and_others_do_not() {
        let own = rustix::process::nice(0).unwrap();
        let theirs = pool(1, 1).run(|_| rustix::process::nice(0).unwrap()).await;
        assert_eq!(theirs, Ok((own + NICER_BY).min(19)));
        assert_eq!(rustix::process::nice(0).unwrap(), own);
    }

    fn poll_once<F: Future + Unpin>(mut future: F) -> std::task::Poll<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        std::pin::Pin::new(&mut future).poll(&mut context)
    }
}
