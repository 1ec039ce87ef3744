//! The service: two listeners before what was wired.
//!
//! How it ends, in this order:
//!
//! 1. `/health/ready` says that the service drains. For `http.drain_delay_seconds` everything is served as
//!    before: a balancer hears of it with its next question, and sends requests here until then. Each answer ends its
//!    connection.
//! 2. The public listener closes. Requests under way are answered, until 25 seconds after the beginning at
//!    the most; idle connections close at once.
//! 3. The workers finish the round they are in.
//! 4. The management listener closes: health could be asked until here.
//! 5. The connections of the store close.
//! 6. What was not exported yet is sent, by whoever started telemetry.
//!
//! How long each may take stands in [`crate::shutdown`].

use std::{
    fmt,
    future::{Future, pending},
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use actix_server::Server;
use api_http::{Draining, Vitals, management_app, public_app, vitals_app};
use authentication_app::{caching::Figures, ports::KeySummary};
use tokio::{
    net::TcpSocket,
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    RunError, StartError,
    config::Config,
    connections::{self, Admission, Deadlines, Listening, TooFewFiles},
    shutdown::{DRAIN, STORE_END, WORKERS_END},
    telemetry::Metrics,
    wire::{self, Counters, Gauges, KeyView, Overrides, Wired},
};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;
/// What the operating system keeps for each connection in each direction: what a client does not read, and what
/// it sends before it is wanted.
const SOCKET_BUFFER: u32 = 65_536;
/// It is ended without waiting in the end.
const MANAGEMENT_DRAIN_SECONDS: u64 = 30;

/// The service, bound to its ports and ready to run.
pub struct Application {
    public: TcpListener,
    management: TcpListener,
    public_address: SocketAddr,
    management_address: SocketAddr,
    public_connections: Arc<Admission>,
    management_connections: Arc<Admission>,
    deadlines: Deadlines,
    threads: usize,
    drain_delay: Duration,
    wired: Wired,
    handle: Handle,
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application")
            .field("public", &self.public_address)
            .field("management", &self.management_address)
            .finish_non_exhaustive()
    }
}

impl Application {
    /// Opens the listeners and everything behind them. Clients that connect from here on wait until it runs.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn build(config: Config, overrides: Overrides) -> Result<Self, StartError> {
        let (public, public_address) = listen(config.http.listen, "http.listen")?;
        let (management, management_address) =
            listen(config.management.listen, "management.listen")?;
        let public_url = public_url(&config, public_address);
        // Before anything is opened.
        let public_connections = public_connections(&config)?;
        let wired = Box::pin(wire::wire(&config, overrides, public_url)).await?;
        let management_connections = Arc::new(Admission::new(config.management.most_connections));
        wired.metrics.watch_clients(vec![
            ("public", Arc::clone(&public_connections)),
            ("management", Arc::clone(&management_connections)),
        ]);
        let handle = Handle {
            gauges: wired.gauges.clone(),
            keys: wired.keys.clone(),
            stop: Arc::new(watch::Sender::new(false)),
            ended: Arc::new(watch::Sender::new(false)),
        };
        Ok(Self {
            public,
            management,
            public_address,
            management_address,
            public_connections,
            management_connections,
            deadlines: Deadlines::of(&config),
            threads: config.http.workers,
            drain_delay: config.http.drain_delay,
            wired,
            handle,
        })
    }

    /// Where the API is.
    pub const fn public_address(&self) -> SocketAddr {
        self.public_address
    }

    /// Where health and metrics are.
    pub const fn management_address(&self) -> SocketAddr {
        self.management_address
    }

    /// Holds on to the service while it runs.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// What is to be exported a last time in the end.
    pub(crate) fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.wired.metrics)
    }

    /// Runs in the background of this runtime.
    pub fn spawn(self) -> Handle {
        let handle = self.handle();
        tokio::spawn(self.run_until(pending()));
        handle
    }

    /// Serves until `shutdown` completes or the handle asks to end, then ends in the order above.
    ///
    /// # Errors
    /// [`RunError`] when it ended by itself.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
        let draining = self.wired.state.draining.clone();
        let mut stop = self.handle.stop.subscribe();
        let for_requests = DRAIN.saturating_sub(self.drain_delay);
        let public = Listening {
            socket: self.public,
            threads: self.threads,
            admission: self.public_connections,
            deadlines: self.deadlines,
            drain_seconds: for_requests.as_secs(),
            draining: draining.clone(),
        };
        let state = Arc::clone(&self.wired.state);
        let public = public.serve(move || public_app(Arc::clone(&state)))?;
        let management =
            management_listening(self.management, self.management_connections, self.deadlines);
        let state = Arc::clone(&self.wired.state);
        let management = management.serve(move || management_app(Arc::clone(&state)))?;
        let (public_end, management_end) = (public.handle(), management.handle());
        let mut public = tokio::spawn(public);
        let mut management = tokio::spawn(management);
        let ended = tokio::select! {
            () = shutdown => Ok(()),
            _ = stop.wait_for(|stop| *stop) => Ok(()),
            ended = &mut public => ended.map_err(RunError::from).and_then(|it| it.map_err(RunError::from)),
            ended = &mut management => ended.map_err(RunError::from).and_then(|it| it.map_err(RunError::from)),
        };
        draining.begin();
        // Nobody is sent to a listener that ended by itself.
        if ended.is_ok() {
            sleep(self.drain_delay).await;
        }
        public_end.stop(true).await;
        self.wired.workers.stop(WORKERS_END).await;
        management_end.stop(false).await;
        if timeout(STORE_END, self.wired.gauges.close_store())
            .await
            .is_err()
        {
            tracing::warn!("the connections of the store did not close in time");
        }
        self.handle.ended.send_replace(true);
        ended
    }
}

/// Speaks to a service that runs. Clones speak to the same one.
#[derive(Clone)]
pub struct Handle {
    gauges: Gauges,
    keys: KeyView,
    stop: Arc<watch::Sender<bool>>,
    ended: Arc<watch::Sender<bool>>,
}

impl Handle {
    /// What was done so far.
    pub fn counters(&self) -> Counters {
        self.gauges.read()
    }

    /// How each cache did so far.
    pub fn caches(&self) -> Vec<Figures> {
        self.gauges.caches()
    }

    /// The keys in use, without the keys: a changed ring is taken up while the service runs.
    pub fn keys(&self) -> Vec<KeySummary> {
        self.keys.in_use.keys()
    }

    /// How many changed rings were refused so far; the one before stayed in use each time.
    pub fn refused_rings(&self) -> u64 {
        self.keys.refused.load(Ordering::Relaxed)
    }

    /// Waits until no worker is at work; none begins anything while the guard is held. So what is counted
    /// meanwhile was done for requests.
    pub async fn pause_workers(&self) -> impl Drop + Send + use<> {
        self.gauges.pause_workers().await
    }

    /// Asks the service to end, and waits until it has.
    pub async fn shut_down(&self) {
        self.stop.send_replace(true);
        // An error says that it is gone in another way.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }
}

pub(crate) fn listen(
    address: SocketAddr,
    setting: &'static str,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let open = || {
        let socket = match address.ip() {
            IpAddr::V4(_) => TcpSocket::new_v4(),
            IpAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        // A restart does not wait for the connections of the process before.
        socket.set_reuseaddr(true)?;
        // Those of the connections are the listener's.
        socket.set_send_buffer_size(SOCKET_BUFFER)?;
        socket.set_recv_buffer_size(SOCKET_BUFFER)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?.into_std()?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    open().map_err(|source| StartError::Listen {
        address,
        setting,
        source,
    })
}

/// What the configuration says, or the listener itself; without a slash at the end.
fn public_url(config: &Config, listener: SocketAddr) -> String {
    let configured = config.http.public_url.as_ref();
    configured.map_or_else(
        || {
            let mut own = listener;
            if own.ip().is_unspecified() {
                own.set_ip(Ipv4Addr::LOCALHOST.into());
            }
            format!("http://{own}")
        },
        |url| url.as_str().trim_end_matches('/').to_owned(),
    )
}

/// Connections of clients, of which one address has a share.
fn public_connections(config: &Config) -> Result<Arc<Admission>, TooFewFiles> {
    let proxies = config.http.trusted_proxies.iter();
    let uncounted = proxies.chain(&config.protection.exempt_networks);
    let admission = Admission::new(connections::most_public(config)?).per_address(
        config.http.connections.most_per_address,
        uncounted.copied().collect(),
    );
    Ok(Arc::new(admission))
}

/// It is asked by few, and each of them may be behind the same address.
fn management_listening(
    socket: TcpListener,
    admission: Arc<Admission>,
    deadlines: Deadlines,
) -> Listening {
    Listening {
        socket,
        threads: 1,
        admission,
        deadlines,
        drain_seconds: MANAGEMENT_DRAIN_SECONDS,
        // Whoever watches the end keeps the connection.
        draining: Draining::default(),
    }
}

/// The management listener of a node that serves no API.
pub(crate) fn serve_vitals(
    vitals: Vitals,
    listener: TcpListener,
    config: &Config,
    metrics: &Metrics,
) -> io::Result<Server> {
    let admission = Arc::new(Admission::new(config.management.most_connections));
    metrics.watch_clients(vec![("management", Arc::clone(&admission))]);
    management_listening(listener, admission, Deadlines::of(config))
        .serve(move || vitals_app(vitals.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_url_has_no_slash_at_the_end_and_defaults_to_the_listener() {
        let mut config = Config::default();
        let of = |config: &Config, listener: &str| public_url(config, listener.parse().unwrap());
        assert_eq!(of(&config, "127.0.0.1:8080"), "http://127.0.0.1:8080");
        assert_eq!(of(&config, "0.0.0.0:8080"), "http://127.0.0.1:8080");
        config.http.public_url = Some("https://auth.example.com/".parse().unwrap());
        assert_eq!(of(&config, "127.0.0.1:8080"), "https://auth.example.com");
    }
}
