//! A double of an HTTP gateway for text messages: keeps what it gets, and misbehaves when it is told to.

use std::{
    collections::{HashMap, VecDeque},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::Duration,
};

/// How long anything may take that a client is to do.
const PATIENCE: Duration = Duration::from_secs(30);

/// How to treat a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatewayAnswer {
    /// With a status, and what to say in `Retry-After`.
    Status(u16, Option<String>),
    /// Take it and close without an answer.
    Drop,
    /// Take it and answer 202 when released.
    Hang,
    /// Point somewhere else.
    Redirect(String),
}

/// A request as the gateway got it.
#[derive(Debug, Clone)]
pub struct ReceivedRequest {
    /// `POST /path?query`.
    pub target: String,
    /// By their names in lower case.
    pub headers: HashMap<String, String>,
    /// The body.
    pub body: String,
}

/// The gateway. Its threads end with the test's process.
pub struct SmsGateway {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    answers: VecDeque<GatewayAnswer>,
    otherwise: Option<GatewayAnswer>,
    requests: Vec<ReceivedRequest>,
    released: bool,
}

impl SmsGateway {
    /// One that takes everything, with 202.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound address").port();
        let state = Arc::new(State::default());
        let served = Arc::clone(&state);
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&served);
                // A client that goes away is a client that goes away.
                thread::spawn(move || drop(state.serve(connection)));
            }
        });
        Self { port, state }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/send?v=1", self.port)
    }

    /// Where its port is.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// How to treat the next request.
    pub fn next(&self, answer: GatewayAnswer) {
        self.state.lock().answers.push_back(answer);
    }

    /// How to treat every request for which nothing else was said.
    pub fn always(&self, answer: GatewayAnswer) {
        self.state.lock().otherwise = Some(answer);
    }

    /// Ends all hanging.
    pub fn release(&self) {
        self.state.lock().released = true;
        self.state.changed.notify_all();
    }

    /// What it got so far.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.state.lock().requests.clone()
    }

    /// Waits until it got so many.
    pub fn wait_for_requests(&self, count: usize) -> Vec<ReceivedRequest> {
        self.state
            .wait_until(|inner| inner.requests.len() >= count)
            .requests
            .clone()
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("the state of the gateway")
    }

    fn wait_until(&self, holds: impl Fn(&Inner) -> bool) -> MutexGuard<'_, Inner> {
        let inner = self.lock();
        let (inner, waited) = self
            .changed
            .wait_timeout_while(inner, PATIENCE, |inner| !holds(inner))
            .expect("the state of the gateway");
        assert!(!waited.timed_out(), "waited in vain: {:?}", inner.requests);
        inner
    }

    fn serve(&self, mut connection: TcpStream) -> std::io::Result<()> {
        let request = read(&connection)?;
        let answer = {
            let mut inner = self.lock();
            inner.requests.push(request);
            let next = inner.answers.pop_front();
            next.or_else(|| inner.otherwise.clone())
        };
        self.changed.notify_all();
        let (status, header) = match answer {
            None => (202, String::new()),
            Some(GatewayAnswer::Status(status, retry_after)) => {
                let header = retry_after.map(|after| format!("retry-after: {after}\r\n"));
                (status, header.unwrap_or_default())
            }
            Some(GatewayAnswer::Redirect(to)) => (307, format!("location: {to}\r\n")),
            Some(GatewayAnswer::Drop) => return Ok(()),
            Some(GatewayAnswer::Hang) => {
                drop(self.wait_until(|inner| inner.released));
                (202, String::new())
            }
        };
        let answer = format!(
            "HTTP/1.1 {status} Told\r\n{header}content-length: 0\r\nconnection: close\r\n\r\n"
        );
        connection.write_all(answer.as_bytes())
    }
}

pub(super) fn read(connection: &TcpStream) -> std::io::Result<ReceivedRequest> {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let target = line.trim().trim_end_matches(" HTTP/1.1").to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let Some((name, value)) = line.trim().split_once(": ") else {
            break;
        };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|it| it.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok(ReceivedRequest {
        target,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}
