//! An address before a server, behind which the server can vanish, and an answer get lost.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use url::Url;

/// How PostgreSQL is asked to commit.
const COMMIT: &[u8] = b"COMMIT\0";

/// Passes connections on to a server.
pub struct Proxy {
    url: String,
    era: watch::Sender<u64>,
    shall_lose: Arc<Mutex<bool>>,
}

impl Proxy {
    /// Before the server of a URL, which is on this machine.
    ///
    /// # Panics
    /// When the URL names no port, or there is no free one.
    pub fn before(url: &str) -> Self {
        let mut url = Url::parse(url).expect("a URL");
        let port = url.port().expect("a port");
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let listener = TcpListener::from_std(listener).expect("a runtime");
        let own_port = listener.local_addr().expect("a bound address").port();
        url.set_port(Some(own_port)).expect("a URL with a host");
        let era = watch::Sender::new(0);
        let eras = era.subscribe();
        let shall_lose = Arc::new(Mutex::new(false));
        let lost = Arc::clone(&shall_lose);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, server, eras.clone(), Arc::clone(&lost)));
            }
        });
        Self {
            url: url.into(),
            era,
            shall_lose,
        }
    }

    /// The URL that leads here.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From here on nothing comes back on the connections that are open; new ones are passed on.
    pub fn swallow_what_is_open(&self) {
        self.era.send_modify(|era| *era += 1);
    }

    /// The next COMMIT is passed on, and its connection breaks when the server has answered.
    pub fn lose_the_answer_of_the_next_commit(&self) {
        *self
            .shall_lose
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
    }
}

async fn pass_on(
    mut client: TcpStream,
    server: SocketAddr,
    mut eras: watch::Receiver<u64>,
    shall_lose: Arc<Mutex<bool>>,
) {
    eras.mark_unchanged();
    let mut server = TcpStream::connect(server).await.expect("the server");
    let (mut asked, mut answered) = (vec![0; 16_384], vec![0; 16_384]);
    let mut is_lost = false;
    loop {
        let passed = tokio::select! {
            count = client.read(&mut asked) => {
                let asked = &asked[..count.unwrap_or(0)];
                is_lost = is_lost || is_to_be_lost(asked, &shall_lose);
                passed_on(asked, &mut server).await
            }
            count = server.read(&mut answered) => {
                // Lost once it is here: the server has done what it was asked.
                !is_lost && passed_on(&answered[..count.unwrap_or(0)], &mut client).await
            }
            Ok(()) = eras.changed() => {
                // Kept open: the client hears nothing, not even an end.
                std::future::pending().await
            }
        };
        if !passed {
            return;
        }
    }
}

/// Nothing to pass on is the end of the connection.
async fn passed_on(bytes: &[u8], to: &mut TcpStream) -> bool {
    !bytes.is_empty() && to.write_all(bytes).await.is_ok()
}

fn is_to_be_lost(asked: &[u8], shall_lose: &Mutex<bool>) -> bool {
    let mut shall_lose = shall_lose.lock().unwrap_or_else(PoisonError::into_inner);
    let is_commit = asked.windows(COMMIT.len()).any(|it| it == COMMIT);
    is_commit && std::mem::take(&mut *shall_lose)
}
