//! Where a request begins and ends, byte by byte (RFC 9112), and what is refused for being said in a way
//! that two parsers could read differently.
//!
//! Stricter than the parser behind it: what passes here has one reading. Lines end in CRLF and in nothing
//! else; a length is digits, said once; the one transfer coding is `chunked`, said once and without a
//! length beside it; a chunk has neither extension nor trailer; there is one `Host`. No protocol is changed (`Upgrade: websocket`,
//! `CONNECT`), since the parser would then read whatever follows as one body without an end.

/// The longest head of a request.
pub(super) const MOST_HEAD: usize = 32_768;
/// The most fields in one.
const MOST_FIELDS: u32 = 96;
/// Digits of the size of a chunk.
const MOST_SIZE_DIGITS: u8 = 8;
/// Digits of a length.
const MOST_LENGTH_DIGITS: usize = 18;
const PROTOCOL: &[u8] = b"HTTP/1.";

/// Why a request is not read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It can be read in more than one way, or in none.
    Malformed,
    /// Its head is longer than [`MOST_HEAD`], or has more fields than the parser takes.
    TooLarge,
}

/// What a byte came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It is inside of something.
    Inside,
    /// The head of a request ends with it, and a body follows.
    HeadEnds,
    /// A request ends with it.
    RequestEnds {
        /// Whether it was all head.
        had_no_body: bool,
    },
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// A request, of which nothing was seen.
    Start,
    /// More of a head.
    Head,
    /// More of a body.
    Body,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    /// A line break before the request, which some clients leave behind a body.
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

/// What a head said that decides where the request ends.
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

/// The first bytes of a word, and whether there were more.
struct Word<const N: usize> {
    bytes: [u8; N],
    length: usize,
    is_longer: bool,
}

/// Follows one connection. It holds parts of heads, and is never shown.
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

    /// How many bytes may be skipped with [`Self::skip`]: they are data, whatever they are.
    pub(super) fn data_ahead(&self) -> u64 {
        match self.state {
            // The last one ends something, which `take` says.
            State::Length(left) | State::ChunkData(left) => left.saturating_sub(1),
            _ => 0,
        }
    }

    /// Passes over data.
    pub(super) fn skip(&mut self, bytes: u64) {
        if let State::Length(left) | State::ChunkData(left) = &mut self.state {
            *left = left.saturating_sub(bytes);
        }
    }

    /// Takes the next byte.
    ///
    /// # Errors
    /// [`Refusal`]; nothing is to be read from the connection after it.
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
            // A line that begins with white space would go on the one before (obs-fold): no token.
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

/// RFC 9110 §5.6.2.
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
            // Others (h2c, which some clients offer with every request) are ignored, as HTTP has it. What is
            // longer than what is kept could be `websocket` between spaces.
            self.leaves_http |= value.is_none_or(|it| it.eq_ignore_ascii_case(b"websocket"));
        }
        self.name.clear();
        self.value.clear();
        Ok(())
    }
}

/// Digits and nothing else: no sign, no list, no white space within.
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

    /// All of it, unless it was longer than what is kept.
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
