//! Message framing: where a request begins and ends, byte by byte (RFC 9112). Refuses every request that two
//! parsers could read differently.
//!
//! It is stricter than the parser behind it: what passes has one reading. Lines end in CRLF only. A length consists
//! of digits and is given once. The only transfer coding is `chunked`, given once and without a length. A chunk has
//! neither extension nor trailer. There is exactly one `Host`. Protocol changes (`Upgrade: websocket`, `CONNECT`)
//! are refused, since the parser would then read everything that follows as one endless body.

/// The longest head of a request, in bytes.
pub(super) const MOST_HEAD: usize = 32_768;
/// The most fields in one head.
const MOST_FIELDS: u32 = 96;
/// The most hexadecimal digits in the size of a chunk.
const MOST_SIZE_DIGITS: u8 = 8;
/// The most digits in a `Content-Length`.
const MOST_LENGTH_DIGITS: usize = 18;
const PROTOCOL: &[u8] = b"HTTP/1.";

/// Why reading of a request stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The request is ambiguous or invalid.
    Malformed,
    /// The head is longer than [`MOST_HEAD`], or has more fields than the parser accepts.
    TooLarge,
}

/// What a byte completes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: the byte is within a head or a body.
    Inside,
    /// The head of a request; a body follows.
    HeadEnds,
    /// A request.
    RequestEnds {
        /// Whether the request consists of a head only.
        had_no_body: bool,
    },
}

/// The part of a request that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The first byte of a request.
    Start,
    /// More of a head.
    Head,
    /// More of a body.
    Body,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    /// An empty line before the request, which some clients send after a body.
    BlankLf,
    AfterBlank,
    Method,
    Target {
        is_empty: bool,
    },
    Protocol(usize),
    MinorVersion,
    RequestLineCr,
    RequestLineLf,
    LineStart,
    Name,
    Value,
    ValueLf,
    HeadLf,
    Length(u64),
    ChunkSize {
        digits: u8,
        size: u64,
    },
    ChunkSizeLf(u64),
    ChunkData(u64),
    ChunkDataCr,
    ChunkDataLf,
    LastCr,
    LastLf,
}

/// The fields of a head that decide where the request ends.
#[derive(Default)]
struct Head {
    bytes: usize,
    fields: u32,
    minor_version: u8,
    method: Word<8>,
    name: Word<20>,
    value: Word<64>,
    length: Option<u64>,
    is_chunked: bool,
    hosts: u32,
    leaves_http: bool,
}

/// The first `N` bytes of a word, and whether it was longer.
struct Word<const N: usize> {
    bytes: [u8; N],
    length: usize,
    is_longer: bool,
}

/// Follows one connection. It holds parts of request heads, so it has no `Debug`.
pub(super) struct Framing {
    state: State,
    head: Head,
}

impl Framing {
    pub(super) fn new() -> Self {
        Self {
            state: State::Start,
            head: Head::default(),
        }
    }

    pub(super) fn stage(&self) -> Stage {
        match self.state {
            State::Start => Stage::Start,
            State::Length(_)
            | State::ChunkSize { .. }
            | State::ChunkSizeLf(_)
            | State::ChunkData(_)
            | State::ChunkDataCr
            | State::ChunkDataLf
            | State::LastCr
            | State::LastLf => Stage::Body,
            _ => Stage::Head,
        }
    }

    /// How many bytes may be skipped with [`Self::skip`]: they are body data and need no check.
    pub(super) fn data_ahead(&self) -> u64 {
        match self.state {
            // The last byte ends the body or the chunk, which only `take` reports.
            State::Length(left) | State::ChunkData(left) => left.saturating_sub(1),
            _ => 0,
        }
    }

    /// Skips bytes of body data.
    pub(super) fn skip(&mut self, bytes: u64) {
        if let State::Length(left) | State::ChunkData(left) = &mut self.state {
            *left = left.saturating_sub(bytes);
        }
    }

    /// Takes the next byte.
    ///
    /// # Errors
    /// [`Refusal`]; after it, nothing more may be read from the connection.
    pub(super) fn take(&mut self, byte: u8) -> Result<Step, Refusal> {
        if self.stage() != Stage::Body {
            self.head.bytes += 1;
            if self.head.bytes > MOST_HEAD {
                return Err(Refusal::TooLarge);
            }
        }
        let (next, step) = match self.state {
            State::HeadLf => self.end_head(byte)?,
            State::Length(left) => match left {
                0 | 1 => (State::Start, REQUEST_ENDS),
                more => (State::Length(more - 1), Step::Inside),
            },
            State::LastLf => (only(b'\n', byte, State::Start)?, REQUEST_ENDS),
            state => (self.inside(state, byte)?, Step::Inside),
        };
        self.state = next;
        if matches!(step, Step::RequestEnds { .. }) {
            self.head = Head::default();
        }
        Ok(step)
    }

    fn inside(&mut self, state: State, byte: u8) -> Result<State, Refusal> {
        let head = &mut self.head;
        Ok(match (state, byte) {
            (State::Start, b'\r') => State::BlankLf,
            (State::BlankLf, _) => only(b'\n', byte, State::AfterBlank)?,
            (State::Start | State::AfterBlank | State::Method, _) if is_token(byte) => {
                head.method.push(byte);
                State::Method
            }
            (State::Method, b' ') => State::Target { is_empty: true },
            (State::Target { .. }, b'!'..=b'~') => State::Target { is_empty: false },
            (State::Target { is_empty: false }, b' ') => State::Protocol(0),
            (State::Protocol(at), _) if PROTOCOL.get(at) == Some(&byte) => {
                if at + 1 == PROTOCOL.len() {
                    State::MinorVersion
                } else {
                    State::Protocol(at + 1)
                }
            }
            (State::MinorVersion, b'0' | b'1') => {
                head.minor_version = byte - b'0';
                State::RequestLineCr
            }
            (State::RequestLineCr, _) => only(b'\r', byte, State::RequestLineLf)?,
            (State::RequestLineLf, _) => only(b'\n', byte, State::LineStart)?,
            (State::LineStart, b'\r') => State::HeadLf,
            // A line that begins with white space would continue the previous one (obs-fold); it is no token.
            (State::LineStart | State::Name, _) if is_token(byte) => {
                head.name.push(byte.to_ascii_lowercase());
                State::Name
            }
            (State::Name, b':') => State::Value,
            (State::Value, b'\r') => State::ValueLf,
            (State::Value, b'\t' | b' '..=b'~' | 0x80..) => {
                head.value.push(byte);
                State::Value
            }
            (State::ValueLf, b'\n') => {
                head.end_field()?;
                State::LineStart
            }
            (State::ChunkSize { digits, size }, _) => chunk_size(digits, size, byte)?,
            (State::ChunkSizeLf(0), _) => only(b'\n', byte, State::LastCr)?,
            (State::ChunkSizeLf(size), _) => only(b'\n', byte, State::ChunkData(size))?,
            (State::ChunkData(0 | 1), _) => State::ChunkDataCr,
            (State::ChunkData(left), _) => State::ChunkData(left - 1),
            (State::ChunkDataCr, _) => only(b'\r', byte, State::ChunkDataLf)?,
            (State::ChunkDataLf, _) => only(b'\n', byte, NO_SIZE)?,
            (State::LastCr, _) => only(b'\r', byte, State::LastLf)?,
            _ => return Err(Refusal::Malformed),
        })
    }

    fn end_head(&self, byte: u8) -> Result<(State, Step), Refusal> {
        let head = &self.head;
        let is_ambiguous = head.is_chunked && (head.length.is_some() || head.minor_version == 0);
        let is_hosted = head.hosts == 1 || (head.hosts == 0 && head.minor_version == 0);
        let leaves_http = head.leaves_http || head.method.is(b"CONNECT");
        if byte != b'\n' || is_ambiguous || !is_hosted || leaves_http {
            return Err(Refusal::Malformed);
        }
        Ok(match head.length {
            _ if head.is_chunked => (NO_SIZE, Step::HeadEnds),
            Some(length) if length > 0 => (State::Length(length), Step::HeadEnds),
            _ => (State::Start, Step::RequestEnds { had_no_body: true }),
        })
    }
}

const REQUEST_ENDS: Step = Step::RequestEnds { had_no_body: false };
const NO_SIZE: State = State::ChunkSize { digits: 0, size: 0 };

fn only(wanted: u8, byte: u8, next: State) -> Result<State, Refusal> {
    if byte == wanted {
        Ok(next)
    } else {
        Err(Refusal::Malformed)
    }
}

fn chunk_size(digits: u8, size: u64, byte: u8) -> Result<State, Refusal> {
    if byte == b'\r' && digits > 0 {
        return Ok(State::ChunkSizeLf(size));
    }
    let digit = char::from(byte).to_digit(16).ok_or(Refusal::Malformed)?;
    if digits == MOST_SIZE_DIGITS {
        return Err(Refusal::Malformed);
    }
    Ok(State::ChunkSize {
        digits: digits + 1,
        size: size * 16 + u64::from(digit),
    })
}

/// Whether the byte may stand in a token (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

impl Head {
    fn end_field(&mut self) -> Result<(), Refusal> {
        self.fields += 1;
        if self.fields > MOST_FIELDS {
            return Err(Refusal::TooLarge);
        }
        let value = self.value.get().map(|value| {
            let is_white = |byte: &u8| matches!(byte, b' ' | b'\t');
            let begin = value.iter().position(|it| !is_white(it));
            let end = value.iter().rposition(|it| !is_white(it));
            let within = begin.zip(end);
            within
                .and_then(|(begin, end)| value.get(begin..=end))
                .unwrap_or_default()
        });
        if self.name.is(b"content-length") {
            let length = value.and_then(length_of).ok_or(Refusal::Malformed)?;
            if self.length.replace(length).is_some() {
                return Err(Refusal::Malformed);
            }
        } else if self.name.is(b"transfer-encoding") {
            let is_chunked = value.is_some_and(|it| it.eq_ignore_ascii_case(b"chunked"));
            if !is_chunked || self.is_chunked {
                return Err(Refusal::Malformed);
            }
            self.is_chunked = true;
        } else if self.name.is(b"host") {
            self.hosts += 1;
        } else if self.name.is(b"upgrade") {
            // Other protocols (h2c, which some clients offer with every request) are ignored, as HTTP allows. A
            // value that exceeds the buffer could be `websocket` between spaces.
            self.leaves_http |= value.is_none_or(|it| it.eq_ignore_ascii_case(b"websocket"));
        }
        self.name.clear();
        self.value.clear();
        Ok(())
    }
}

/// Digits only: no sign, no list, no white space inside.
fn length_of(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty()
        && value.len() <= MOST_LENGTH_DIGITS
        && value.iter().all(u8::is_ascii_digit);
    is_number.then(|| {
        let digits = value.iter().map(|digit| u64::from(digit - b'0'));
        digits.fold(0, |length, digit| length * 10 + digit)
    })
}

impl<const N: usize> Word<N> {
    fn push(&mut self, byte: u8) {
        match self.bytes.get_mut(self.length) {
            Some(place) => {
                *place = byte;
                self.length += 1;
            }
            None => self.is_longer = true,
        }
    }

    /// The whole word, or `None` if it exceeded the buffer.
    fn get(&self) -> Option<&[u8]> {
        self.bytes.get(..self.length).filter(|_| !self.is_longer)
    }

    fn is(&self, word: &[u8]) -> bool {
        self.get() == Some(word)
    }

    fn clear(&mut self) {
        self.length = 0;
        self.is_longer = false;
    }
}

impl<const N: usize> Default for Word<N> {
    fn default() -> Self {
        Self {
            bytes: [0; N],
            length: 0,
            is_longer: false,
        }
    }
}

#[cfg(test)]
mod tests;
