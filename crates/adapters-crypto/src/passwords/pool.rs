//! Threads for work that takes a core and a large buffer, behind a bounded queue.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Instant,
};

use authentication_app::ports::{HashError, Measure, Meter, NoMeter};
use tokio::sync::oneshot;

use super::{HashingConfig, memory::Memory};

/// Added to the niceness of the hashing threads: a tenth of the weight of those that answer requests,
/// so that these go first, and hashes still go on when everything is busy.
#[cfg(target_os = "linux")]
const NICER_BY: i32 = 10;

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

pub(super) struct Pool {
    jobs: SyncSender<Job>,
    waiting: Arc<AtomicUsize>,
    busy: Arc<AtomicUsize>,
    meter: Arc<dyn Meter>,
}

impl Pool {
    pub(super) fn start(config: &HashingConfig) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(config.queue);
        let worker = Worker {
            queue: Arc::new(Mutex::new(queue)),
            waiting: Arc::default(),
            busy: Arc::default(),
            blocks: config.memory_kib as usize,
        };
        let (waiting, busy) = (Arc::clone(&worker.waiting), Arc::clone(&worker.busy));
        for number in 0..config.threads {
            let worker = worker.clone();
            thread::Builder::new()
                .name(format!("argon2-{number}"))
                .spawn(move || worker.run())?;
        }
        Ok(Self {
            jobs,
            waiting,
            busy,
            meter: Arc::new(NoMeter),
        })
    }

    pub(super) fn set_meter(&mut self, meter: Arc<dyn Meter>) {
        self.meter = meter;
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    /// Runs `work` on a thread of the pool, unless nobody awaits the answer any more when its turn comes.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let (answer, result) = oneshot::channel();
        let (meter, queued) = (Arc::clone(&self.meter), Instant::now());
        self.enqueue(Box::new(move |memory| {
            let begun = Instant::now();
            meter.note(Measure::HashWaited(begun - queued));
            if !answer.is_closed() {
                let done = work(memory);
                meter.note(Measure::HashComputed(begun.elapsed()));
                // Whoever asked may have gone in the meantime, and then nobody wants to know.
                let _ = answer.send(done);
            }
        }))?;
        result.await.map_err(|_| HashError::Failed)
    }

    fn enqueue(&self, job: Job) -> Result<(), HashError> {
        // Counted first: a thread may take the job before this one gets any further.
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.jobs.try_send(job).map_err(|error| {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => {
                    self.meter.note(Measure::HashRefused);
                    HashError::Overloaded
                }
                TrySendError::Disconnected(_) => HashError::Failed,
            }
        })
    }
}

#[derive(Clone)]
struct Worker {
    queue: Arc<Mutex<Receiver<Job>>>,
    waiting: Arc<AtomicUsize>,
    busy: Arc<AtomicUsize>,
    /// How large a buffer it keeps.
    blocks: usize,
}

impl Worker {
    fn run(self) {
        lower_priority();
        let mut memory = Memory::default();
        while let Some(job) = self.next_job(&mut memory) {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.busy.fetch_add(1, Ordering::Relaxed);
            // A job that panics costs its own answer, not the thread.
            if catch_unwind(AssertUnwindSafe(|| job(&mut memory))).is_err() {
                tracing::error!("a password hash panicked");
            }
            self.busy.fetch_sub(1, Ordering::Relaxed);
            memory.shrink_to(self.blocks);
        }
    }

    /// The next job; `None` when the pool is gone.
    fn next_job(&self, memory: &mut Memory) -> Option<Job> {
        // A thread that waits for a job holds the lock: when it is taken, there is no job.
        if let Ok(queue) = self.queue.try_lock()
            && let Ok(job) = queue.try_recv()
        {
            return Some(job);
        }
        memory.wipe();
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.recv().ok()
    }
}

/// On Linux a thread has a niceness of its own; elsewhere it would be the whole process's.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICER_BY) {
        tracing::warn!(%error, "password hashes run at full priority");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

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
        pool.enqueue(job).unwrap();
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

    #[tokio::test]
    async fn a_thread_keeps_its_buffer() {
        let pool = pool(1, 2);
        let place = || pool.run(|memory| memory.blocks(64).as_ptr().addr());
        assert_eq!(place().await, place().await);
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
