//! An address before a server, behind which the server can vanish.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};
use url::Url;

/// Passes connections on to a server.
pub(crate) struct Proxy {
    url: String,
    era: watch::Sender<u64>,
}

impl Proxy {
    pub(crate) async fn before(url: &str) -> Self {
        let mut url = Url::parse(url).unwrap();
        let server = SocketAddr::from(([127, 0, 0, 1], url.port().unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port()))
            .unwrap();
        let era = watch::Sender::new(0);
        let eras = era.subscribe();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, server, eras.clone()));
            }
        });
        Self {
            url: url.into(),
            era,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// From here on nothing comes back on the connections that are open; new ones are passed on.
    pub(crate) fn swallow_what_is_open(&self) {
        self.era.send_modify(|era| *era += 1);
    }
}

async fn pass_on(mut client: TcpStream, server: SocketAddr, mut eras: watch::Receiver<u64>) {
    eras.mark_unchanged();
    let mut server = TcpStream::connect(server).await.unwrap();
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        Ok(()) = eras.changed() => {
            // Kept open: the client hears nothing, not even an end.
            std::future::pending::<()>().await;
        }
    }
}
