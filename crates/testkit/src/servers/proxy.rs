//! A proxy in front of a server, behind which the server can vanish, or an answer can be lost.

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

/// The COMMIT in PostgreSQL's protocol.
const COMMIT: &[u8] = b"COMMIT\0";

/// Forwards connections to a server.
pub struct Proxy {
    url: String,
    era: watch::Sender<u64>,
    shall_lose: Arc<Mutex<bool>>,
}

impl Proxy {
    /// A proxy in front of the server of a URL, which is on this machine.
    ///
    /// # Panics
    /// When the URL contains no port, or no port is free.
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

    /// The URL of the proxy.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on nothing is returned on open connections; new ones are forwarded.
    pub fn swallow_what_is_open(&self) {
        self.era.send_modify(|era| *era += 1);
    }

    /// The next COMMIT is forwarded, and its connection breaks once the server has answered.
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
                // Lost after it arrived here: the server has done what it was asked to do.
                !is_lost && passed_on(&answered[..count.unwrap_or(0)], &mut client).await
            }
            Ok(()) = eras.changed() => {
                // The connection stays open: the client receives nothing, not even its end.
                std::future::pending().await
            }
        };
        if !passed {
            return;
        }
    }
}

/// Forwards bytes; false at the end of the connection.
async fn passed_on(bytes: &[u8], to: &mut TcpStream) -> bool {
    !bytes.is_empty() && to.write_all(bytes).await.is_ok()
}

fn is_to_be_lost(asked: &[u8], shall_lose: &Mutex<bool>) -> bool {
    let mut shall_lose = shall_lose.lock().unwrap_or_else(PoisonError::into_inner);
    let is_commit = asked.windows(COMMIT.len()).any(|it| it == COMMIT);
    is_commit && std::mem::take(&mut *shall_lose)
}
