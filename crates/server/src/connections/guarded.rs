//! The stream between a socket and the HTTP parser.
//!
//! It hands the parser one request at a time, each head complete and checked ([`super::framing`]), and ends the
//! connection when a phase exceeds its deadline ([`Deadlines`]):
//!
//! ```text
//! start ─▶ head ─▶ body ─▶ answer ─▶ idle ─▶ head …
//! ```
//!
//! When the client misses the deadline for a head, a body or the next request, reading ends as if it had closed its
//! side. When the answer is late, or the client does not read it, the connection fails.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

use super::{
    admission::{Cut, Permit},
    exchange::Exchange,
    framing::{Framing, Refusal, Stage, Step},
    limits::Deadlines,
};

/// The most bytes read from the socket at once.
const CHUNK: usize = 4_096;
/// The most bytes read ahead during an answer: enough to notice that the client has gone.
const AHEAD: usize = 4_096;
/// How long the client's data is still read after a refusal, so that it can receive the refusal.
const LINGER: Duration = Duration::from_secs(1);

const TIMED_OUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const BAD: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const TOO_LARGE: &[u8] = b"HTTP/1.1 431 Request Header Fields Too Large\r\n\
                           content-length: 0\r\nconnection: close\r\n\r\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Start,
    Head,
    Body,
    Answer,
    Idle,
}

/// A period in which the client has to read a minimum of bytes.
#[derive(Debug, Clone, Copy)]
struct Stall {
    ends: Instant,
    taken: u64,
}

/// The socket of a client. It holds data of the client, so it has no `Debug`.
pub(crate) struct Guarded {
    io: TcpStream,
    permit: Permit,
    deadlines: Deadlines,
    exchange: Rc<Exchange>,
    framing: Framing,
    /// Bytes that were received and not handed over.
    input: Vec<u8>,
    /// The number of bytes of `input` that were examined.
    seen: usize,
    /// The number of bytes of `input` that may be handed over.
    checked: usize,
    is_at_end: bool,
    cut: Option<Cut>,
    requests: u64,
    phase: (Phase, u64),
    since: Instant,
    stall: Option<Stall>,
    lingers_until: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl Guarded {
    pub(super) fn new(io: TcpStream, permit: Permit, deadlines: Deadlines) -> Self {
        let now = Instant::now();
        Self {
            io,
            permit,
            deadlines,
            exchange: Rc::default(),
            framing: Framing::new(),
            input: Vec::new(),
            seen: 0,
            checked: 0,
            is_at_end: false,
            cut: None,
            requests: 0,
            phase: (Phase::Start, 0),
            since: now,
            stall: None,
            lingers_until: None,
            timer: Box::pin(sleep_until(now + deadlines.head)),
        }
    }

    pub(super) fn exchange(&self) -> Rc<Exchange> {
        Rc::clone(&self.exchange)
    }

    // --- phases

    fn phase_now(&self) -> Phase {
        match self.framing.stage() {
            // After the client has closed its side, the rest of the body will not come.
            Stage::Body if !self.is_at_end => Phase::Body,
            // The client has not read the whole answer yet.
            _ if self.exchange.is_open() || self.stall.is_some() => Phase::Answer,
            // The time for the first head starts with the connection.
            _ if self.requests == 0 => Phase::Start,
            Stage::Head => Phase::Head,
            Stage::Start | Stage::Body => Phase::Idle,
        }
    }

    fn has_no_request(&self) -> bool {
        matches!(self.phase_now(), Phase::Start | Phase::Head | Phase::Idle)
    }

    /// The deadline of the current phase, and the reason to count when it is missed.
    fn deadline(&mut self) -> Option<(Instant, Cut)> {
        let phase = (self.phase_now(), self.requests);
        if phase != self.phase {
            self.phase = phase;
            self.since = Instant::now();
        }
        let (at_most, cut) = match phase.0 {
            Phase::Start if self.seen == 0 => (self.deadlines.head, Cut::Idle),
            Phase::Start | Phase::Head => (self.deadlines.head, Cut::Head),
            Phase::Body => (self.deadlines.body, Cut::Body),
            Phase::Answer if self.exchange.is_long_lived() => return None,
            Phase::Answer => (self.deadlines.answer, Cut::Answer),
            Phase::Idle => (self.deadlines.idle, Cut::Idle),
        };
        Some((self.since + at_most, cut))
    }

    /// Ends reading when the deadline has passed; an overdue answer fails the connection.
    fn look_at_the_clock(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let Some((deadline, cut)) = self.deadline() else {
            return Ok(());
        };
        if self.cut.is_some() || Instant::now() < deadline {
            return Ok(());
        }
        match cut {
            Cut::Head => self.refuse(cut, TIMED_OUT, context),
            cut => self.end(cut),
        }
        if cut == Cut::Answer {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    fn end(&mut self, cut: Cut) {
        self.permit.note(cut);
        // An ended connection must not be evicted: it counts until it is closed.
        self.permit.stop_waiting();
        self.cut = Some(cut);
        self.input.truncate(self.checked);
    }

    /// Answers instead of the application. While a head is read, no other answer is in progress.
    fn refuse(&mut self, cut: Cut, answer: &[u8], context: &mut Context<'_>) {
        self.end(cut);
        // The socket buffer is empty, so such a short answer fits; if the write fails, the client has gone.
        let _ = Pin::new(&mut self.io).poll_write(context, answer);
    }

    /// Sets the timer to the earliest deadline.
    fn set_timer(&mut self, context: &mut Context<'_>) {
        let stall = self.stall.map(|stall| stall.ends);
        let phase = if self.cut.is_none() {
            self.deadline().map(|(deadline, _)| deadline)
        } else {
            None
        };
        let times = [stall, phase, self.lingers_until];
        let Some(next) = times.into_iter().flatten().min() else {
            return;
        };
        if self.timer.is_elapsed() || next < self.timer.deadline() {
            self.timer.as_mut().reset(next);
        }
        if self.timer.as_mut().poll(context).is_ready() {
            context.waker().wake_by_ref();
        }
    }

    // --- reading

    fn may_begin(&self) -> bool {
        !self.exchange.is_open() && self.stall.is_none()
    }

    /// Examines the received bytes, up to the end of one request.
    fn check(&mut self, context: &mut Context<'_>) {
        if self.framing.stage() == Stage::Start && !self.may_begin() {
            return;
        }
        while let Some(byte) = self.input.get(self.seen) {
            let stage = self.framing.stage();
            match self.framing.take(*byte) {
                Ok(step) => {
                    self.seen += 1;
                    self.skip_data();
                    if stage == Stage::Body || step != Step::Inside {
                        self.checked = self.seen;
                    }
                    let is_head = matches!(
                        step,
                        Step::HeadEnds | Step::RequestEnds { had_no_body: true }
                    );
                    if is_head {
                        if !self.permit.stop_waiting() {
                            self.checked = 0;
                            return self.end(Cut::Evicted);
                        }
                        self.requests += 1;
                        self.exchange.begin();
                    }
                    if matches!(step, Step::RequestEnds { .. }) {
                        return;
                    }
                }
                // The request was already handed over, so the application answers it: the rest of its body will not
                // come.
                Err(_) if stage == Stage::Body => return self.end(Cut::Malformed),
                Err(Refusal::Malformed) => return self.refuse(Cut::Malformed, BAD, context),
                Err(Refusal::TooLarge) => return self.refuse(Cut::TooLarge, TOO_LARGE, context),
            }
        }
    }

    fn skip_data(&mut self) {
        let here = self.input.len() - self.seen;
        let data = usize::try_from(self.framing.data_ahead()).unwrap_or(usize::MAX);
        let skipped = here.min(data);
        self.framing.skip(skipped as u64);
        self.seen += skipped;
        if skipped > 0 {
            self.checked = self.seen;
        }
    }

    fn hand_over(&mut self, to: &mut ReadBuf<'_>) {
        let length = self.checked.min(to.remaining());
        if let Some(bytes) = self.input.get(..length) {
            to.put_slice(bytes);
        }
        self.input.drain(..length);
        self.seen -= length;
        self.checked -= length;
        if self.input.is_empty() && self.input.capacity() > CHUNK {
            self.input = Vec::new();
        }
    }

    fn receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut chunk = [0; CHUNK];
        let mut chunk = ReadBuf::new(&mut chunk);
        ready!(Pin::new(&mut self.io).poll_read(context, &mut chunk))?;
        self.is_at_end = chunk.filled().is_empty();
        self.input.extend_from_slice(chunk.filled());
        Poll::Ready(Ok(()))
    }

    /// Reads and discards the client's data for up to [`LINGER`] after a refusal: closing at once would reset the
    /// connection, and the client could lose the refusal.
    fn linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.input = Vec::new();
        let until = *self
            .lingers_until
            .get_or_insert_with(|| Instant::now() + LINGER);
        while !self.is_at_end && Instant::now() < until {
            match self.receive(context) {
                Poll::Ready(Ok(())) => self.input.clear(),
                Poll::Ready(Err(_)) => break,
                Poll::Pending => {
                    self.set_timer(context);
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.look_at_the_clock(context)?;
        if this.cut.is_none() && this.permit.is_evicted() {
            this.end(Cut::Evicted);
        }
        loop {
            if this.checked == 0 && this.cut.is_none() {
                this.check(context);
            }
            if this.checked > 0 {
                this.hand_over(to);
                return Poll::Ready(Ok(()));
            }
            if this.cut.is_some() {
                return Poll::Ready(Ok(()));
            }
            let waits = this.framing.stage() == Stage::Start && !this.may_begin();
            if this.is_at_end {
                if !waits || this.input.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                break;
            }
            if waits && this.input.len() >= AHEAD {
                break;
            }
            match this.receive(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => break,
            }
        }
        if this.cut.is_none() && this.has_no_request() {
            this.permit.wait(context.waker());
        }
        this.exchange.remember(context.waker());
        this.set_timer(context);
        Poll::Pending
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Poll::Ready(written) = Pin::new(&mut this.io).poll_write(context, bytes) {
            if let (Some(stall), Ok(written)) = (&mut this.stall, &written) {
                stall.taken = stall.taken.saturating_add(*written as u64);
            }
            return Poll::Ready(written);
        }
        let now = Instant::now();
        let anew = Stall {
            ends: now + this.deadlines.stall,
            taken: 0,
        };
        let stall = this.stall.get_or_insert(anew);
        if now >= stall.ends {
            if stall.taken < this.deadlines.least_in_a_stall() {
                this.end(Cut::Write);
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            *stall = anew;
        }
        // The parser does not read while it writes to a stalled client, so the deadline is checked here.
        this.look_at_the_clock(context)?;
        this.set_timer(context);
        Poll::Pending
    }

    /// The parser flushes when everything was written, which ends a stall.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.stall.take().is_some() {
            this.exchange.wake();
        }
        Pin::new(&mut this.io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.io).poll_shutdown(context))?;
        if matches!(this.cut, Some(Cut::Head | Cut::Malformed | Cut::TooLarge)) {
            ready!(this.linger(context));
        }
        Poll::Ready(Ok(()))
    }
}
