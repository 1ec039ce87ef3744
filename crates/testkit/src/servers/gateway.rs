//! A test double of an HTTP gateway for text messages. It records requests, and misbehaves on demand.

use std::{
    collections::{HashMap, VecDeque},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::Duration,
};

/// How long to wait for a client.
const PATIENCE: Duration = Duration::from_secs(30);

/// How to answer a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatewayAnswer {
    /// Answer with a status and, optionally, `Retry-After`.
    Status(u16, Option<String>),
    /// Record it and close the connection without an answer.
    Drop,
    /// Record it and answer 202 once released.
    Hang,
    /// Redirect to a URL.
    Redirect(String),
}

/// A request as the gateway received it.
#[derive(Debug, Clone)]
pub struct ReceivedRequest {
    /// `POST /path?query`.
    pub target: String,
    /// By names in lower case.
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
    /// A gateway that accepts every request with 202.
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
                // The client may disconnect at any time, which is no error of the gateway.
                thread::spawn(move || drop(state.serve(connection)));
            }
        });
        Self { port, state }
    }

    /// The URL to send messages to.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/send?v=1", self.port)
    }

    /// The port on loopback.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Queues the answer to the next request.
    pub fn next(&self, answer: GatewayAnswer) {
        self.state.lock().answers.push_back(answer);
    }

    /// Sets the answer to every request that no queued answer is for.
    pub fn always(&self, answer: GatewayAnswer) {
        self.state.lock().otherwise = Some(answer);
    }

    /// Answers all requests that hang.
    pub fn release(&self) {
        self.state.lock().released = true;
        self.state.changed.notify_all();
    }

    /// The requests received so far.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.state.lock().requests.clone()
    }

    /// Waits until `count` requests were received.
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
