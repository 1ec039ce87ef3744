//! The queue of log lines for standard error.
//!
//! A pipe that is not read and a full disk must not block the threads that log. Therefore lines are queued, and one
//! thread writes them. Lines that exceed the queue, or that cannot be written, are dropped and counted. As soon as
//! lines can be written again, a line reports the count.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Write},
    os::fd::AsFd as _,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// The size of the queue in bytes: some thousands of lines.
const MOST_BYTES: usize = 1 << 20;
/// The shortest interval between two reports of dropped lines while dropping and writing alternate.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// Queues lines without blocking. Clones write to the same place.
#[derive(Clone)]
pub(crate) struct LogOutput(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    /// Signals that the queue has a line.
    more: Condvar,
    /// Signals that the queue is empty.
    done: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// A line was taken from the queue and is being written.
    is_writing: bool,
}

impl LogOutput {
    /// Writes to standard error of this process.
    ///
    /// # Errors
    /// [`io::Error`] when the thread cannot be started.
    pub(super) fn to_stderr() -> io::Result<Self> {
        // Not the handle of the standard library: it stays locked during a blocked write, and other threads would
        // wait for the lock.
        match io::stderr().as_fd().try_clone_to_owned() {
            Ok(stderr) => Self::to(File::from(stderr)),
            Err(_) => Self::to(io::stderr()),
        }
    }

    fn to(writer: impl Write + Send + 'static) -> io::Result<Self> {
        let output = Self(Arc::new(Shared {
            queue: Mutex::default(),
            more: Condvar::new(),
            done: Condvar::new(),
            dropped: AtomicU64::new(0),
        }));
        let shared = Arc::clone(&output.0);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || shared.write_to(writer))?;
        Ok(output)
    }

    /// The number of lines dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Waits until all lines are written, for at most `patience`.
    pub(crate) fn flush(&self, patience: Duration) {
        let queue = self.0.lock();
        let waits = |queue: &mut Queue| queue.is_writing || !queue.lines.is_empty();
        drop(self.0.done.wait_timeout_while(queue, patience, waits));
    }
}

/// Each call is one line.
impl Write for LogOutput {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut queue = self.0.lock();
        if queue.bytes + line.len() > MOST_BYTES {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        } else {
            queue.bytes += line.len();
            queue.lines.push_back(line.to_vec());
            self.0.more.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// For the text format: escapes line breaks, so that logged text cannot forge a line.
#[derive(Clone)]
pub(super) struct OneLine(pub(super) LogOutput);

impl Write for OneLine {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let (line, end) = match text {
            [line @ .., b'\n'] => (line, true),
            line => (line, false),
        };
        if !line.contains(&b'\n') {
            return self.0.write(text);
        }
        let mut whole = line
            .split(|byte| *byte == b'\n')
            .collect::<Vec<_>>()
            .join(br"\n".as_slice());
        if end {
            whole.push(b'\n');
        }
        self.0.write_all(&whole)?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs until the process exits.
    fn write_to(&self, mut writer: impl Write) {
        let mut whole = Whole::default();
        let mut told = 0;
        let mut told_at: Option<Instant> = None;
        loop {
            let line = self.next();
            if !whole.write(&mut writer, &line) {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let dropped = self.dropped.load(Ordering::Relaxed);
            if dropped > told && self.may_tell(told_at) {
                tracing::warn!(
                    lines = dropped - told,
                    "log lines were dropped, because they could not be written"
                );
                told = dropped;
                told_at = Some(Instant::now());
            }
        }
    }

    /// Whether to report dropped lines now: the queue is empty, or half empty and the last report is old enough.
    fn may_tell(&self, told_at: Option<Instant>) -> bool {
        let is_time = told_at.is_none_or(|at| at.elapsed() >= TOLD_EVERY);
        let queue = self.lock();
        queue.lines.is_empty() || (is_time && queue.bytes < MOST_BYTES / 2)
    }

    /// Marks the previous line as written, and waits for the next one.
    fn next(&self) -> Vec<u8> {
        let mut queue = self.lock();
        queue.is_writing = false;
        loop {
            if let Some(line) = queue.lines.pop_front() {
                queue.bytes -= line.len();
                queue.is_writing = true;
                return line;
            }
            self.done.notify_all();
            queue = self
                .more
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Writes lines, and ends a line that failed halfway before it writes the next one.
#[derive(Default)]
struct Whole {
    is_midway: bool,
}

impl Whole {
    fn write(&mut self, writer: &mut impl Write, line: &[u8]) -> bool {
        let written = self.end_the_last(writer) && self.write_all(writer, line);
        written && writer.flush().is_ok()
    }

    fn end_the_last(&mut self, writer: &mut impl Write) -> bool {
        !self.is_midway || self.write_all(writer, b"\n")
    }

    fn write_all(&mut self, writer: &mut impl Write, mut rest: &[u8]) -> bool {
        while !rest.is_empty() {
            match writer.write(rest) {
                Ok(0) => return false,
                Ok(count) => {
                    rest = rest.get(count..).unwrap_or_default();
                    self.is_midway = !rest.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use tracing_subscriber::{Registry, layer::SubscriberExt as _};

    use super::*;
    use crate::telemetry::json_lines::JsonLines;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// Blocks each write until it is allowed, and reports what was written.
    struct Gate {
        may: Receiver<io::Result<()>>,
        written: Sender<Vec<u8>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.may.recv().unwrap_or(Ok(()))?;
            let _ = self.written.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (LogOutput, Sender<io::Result<()>>, Receiver<Vec<u8>>) {
        let ((open, may), (written, seen)) = (channel(), channel());
        let output = LogOutput::to(Gate { may, written }).unwrap();
        (output, open, seen)
    }

    #[test]
    fn a_place_that_takes_nothing_stops_nobody_and_what_is_dropped_is_counted() {
        let (mut output, open, seen) = gated();
        let line = vec![b'x'; MOST_BYTES / 4];
        // One line is being written, and four wait.
        for _ in 0..50 {
            output.write_all(&line).unwrap();
        }
        let dropped = output.dropped();
        assert!((45..=46).contains(&dropped), "{dropped}");
        output.flush(Duration::ZERO);
        drop(open);
        output.flush(PATIENCE);
        assert_eq!(seen.try_iter().count() as u64, 50 - dropped);
        assert_eq!(output.dropped(), dropped, "and no more");
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_the_next_line_stands_alone() {
        struct Fails(Arc<Mutex<Vec<u8>>>, u32);
        impl Write for Fails {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1 += 1;
                if self.1 == 2 {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                let most = if self.1 == 1 { 3 } else { bytes.len() };
                self.0.lock().unwrap().write(&bytes[..most])
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let text = Arc::new(Mutex::new(Vec::new()));
        let mut output = LogOutput::to(Fails(Arc::clone(&text), 0)).unwrap();
        output.write_all(b"first\n").unwrap();
        output.write_all(b"second\n").unwrap();
        output.flush(PATIENCE);
        assert_eq!(*text.lock().unwrap(), b"fir\nsecond\n");
        assert_eq!(output.dropped(), 1);
    }

    #[test]
    fn text_of_several_lines_is_one() {
        let (output, open, seen) = gated();
        drop(open);
        let mut writer = OneLine(output.clone());
        writer.write_all(b"SELECT 1\n  FROM x\n").unwrap();
        writer.write_all(b"second\n").unwrap();
        output.flush(PATIENCE);
        let lines: Vec<_> = seen.try_iter().collect();
        assert_eq!(lines, [&b"SELECT 1\\n  FROM x\n"[..], b"second\n"]);
    }

    #[test]
    fn lines_are_made_whole_by_whoever_logs() {
        let (output, open, seen) = gated();
        drop(open);
        let writer = output.clone();
        let subscriber = Registry::default().with(JsonLines::new(move || writer.clone()));
        tracing::subscriber::with_default(subscriber, || tracing::info!("a thing happened"));
        output.flush(PATIENCE);
        let lines: Vec<_> = seen.try_iter().collect();
        assert_eq!(lines.len(), 1);
        assert!(lines[0].ends_with(b"}\n"));
    }
}
