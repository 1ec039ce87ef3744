//! A receiver of webhooks that remembers every event, and does as it is told.

use std::{
    collections::{HashMap, HashSet},
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// An event as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// The header `webhook-id`.
    pub(crate) id: String,
    /// Its path: which relay sent it.
    pub(crate) path: String,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn event(&self) -> Value {
        serde_json::from_str(&self.body).expect("an event is JSON")
    }

    /// Its account and its place among the account's events.
    pub(crate) fn place(&self) -> (String, i64) {
        let event = self.event();
        let sequence = event["sequence"].as_str().unwrap().parse().unwrap();
        (event["subject"].as_str().unwrap().to_owned(), sequence)
    }
}

/// What the receiver does with an event.
pub(crate) enum Reaction {
    Answer(u16),
    /// Answers, and then does this.
    AnswerAndThen(u16, Box<dyn FnOnce() + Send>),
    /// Says nothing, and hangs up.
    HangUp,
}

type React = dyn Fn(&Received) -> Reaction + Send + Sync;

#[derive(Clone)]
pub(crate) struct Receiver {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    pub(crate) async fn start(
        react: impl Fn(&Received) -> Reaction + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            received: Arc::default(),
        };
        let (this, react): (_, Arc<React>) = (receiver.clone(), Arc::new(react));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (this, react) = (this.clone(), Arc::clone(&react));
                tokio::spawn(async move { this.serve(stream, react.as_ref()).await });
            }
        });
        receiver
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub(crate) fn received(&self) -> MutexGuard<'_, Vec<Received>> {
        self.received.lock().unwrap()
    }

    /// How many different events came so far.
    pub(crate) fn count(&self) -> usize {
        let received = self.received();
        let ids: HashSet<&String> = received.iter().map(|it| &it.id).collect();
        ids.len()
    }

    /// The first receipt of each event, in the order in which they came.
    pub(crate) fn first_receipts(&self) -> Vec<Received> {
        let mut bodies: HashMap<String, String> = HashMap::new();
        let mut first = Vec::new();
        for received in self.received().iter() {
            match bodies.get(&received.id) {
                None => {
                    bodies.insert(received.id.clone(), received.body.clone());
                    first.push(received.clone());
                }
                Some(body) => assert_eq!(*body, received.body, "a repetition is the same"),
            }
        }
        first
    }

    async fn serve(&self, mut stream: TcpStream, react: &React) {
        while let Some(received) = read_event(&mut stream).await {
            self.received().push(received.clone());
            let (status, then) = match react(&received) {
                Reaction::Answer(status) => (status, None),
                Reaction::AnswerAndThen(status, then) => (status, Some(then)),
                Reaction::HangUp => return,
            };
            let answer = format!("HTTP/1.1 {status} Whatever\r\ncontent-length: 0\r\n\r\n");
            let written = stream.write_all(answer.as_bytes()).await;
            if let Some(then) = then {
                then();
            }
            if written.is_err() {
                return;
            }
        }
    }
}

/// The next whole request; `None` when there is none any more.
async fn read_event(stream: &mut TcpStream) -> Option<Received> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let header = |name: &str| {
                let mut lines = head.lines();
                let found = lines.find_map(|line| line.strip_prefix(&format!("{name}: ")));
                found.unwrap_or_else(|| panic!("no {name} in {head}"))
            };
            if body.len() == header("content-length").parse::<usize>().unwrap() {
                assert!(header("webhook-signature").starts_with("v1,"), "{head}");
                let path = head.split(' ').nth(1).unwrap();
                return Some(Received {
                    id: header("webhook-id").to_owned(),
                    path: path.trim_start_matches('/').to_owned(),
                    body: body.to_owned(),
                });
            }
        }
        let mut part = [0; 4096];
        let count = stream
            .read(&mut part)
            .await
            .ok()
            .filter(|count| *count > 0)?;
        read.extend_from_slice(&part[..count]);
    }
}
