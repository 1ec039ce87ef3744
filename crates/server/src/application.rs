//! The service: two listeners in front of the wired components.
//!
//! Graceful shutdown, in this order:
//!
//! 1. `/health/ready` reports that the service is draining. For `http.drain_delay_seconds` requests are still
//!    served as before, because a load balancer notices only with its next health check. Each answer closes its
//!    connection.
//! 2. The public listener closes. Requests in progress are answered until at most 25 seconds after the beginning of
//!    the shutdown; idle connections close at once.
//! 3. The workers finish their current round.
//! 4. The management listener closes; health checks are answered until here.
//! 5. The connections of the store close.
//! 6. Pending telemetry is exported by the caller that started telemetry.
//!
//! The time limits of the steps are in [`crate::shutdown`].

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

/// The length of the accept queue, in connections.
const BACKLOG: u32 = 1_024;
/// The size in bytes of the kernel's buffer per connection and direction: data that the client has not read yet,
/// and data that it sends before the service reads.
const SOCKET_BUFFER: u32 = 65_536;
/// Not waited for: the listener is stopped without grace at the end.
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
    /// Opens the listeners and everything behind them. Clients that connect from now on wait until
    /// [`Self::run_until`] serves them.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn build(config: Config, overrides: Overrides) -> Result<Self, StartError> {
        let (public, public_address) = listen(config.http.listen, "http.listen")?;
        let (management, management_address) =
            listen(config.management.listen, "management.listen")?;
        let public_url = public_url(&config, public_address);
        // A limit of open files that is too low is reported before anything is opened.
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

    /// The address of the public listener.
    pub const fn public_address(&self) -> SocketAddr {
        self.public_address
    }

    /// The address of the management listener (health and metrics).
    pub const fn management_address(&self) -> SocketAddr {
        self.management_address
    }

    /// A handle to the service while it runs.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// The metrics, to export them a last time at the end.
    pub(crate) fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.wired.metrics)
    }

    /// Runs the service in the background of the current runtime.
    pub fn spawn(self) -> Handle {
        let handle = self.handle();
        tokio::spawn(self.run_until(pending()));
        handle
    }

    /// Serves until `shutdown` completes or the handle requests a shutdown, then shuts down in the order above.
    ///
    /// # Errors
    /// [`RunError`] when it stopped without such a request.
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
        // The drain delay is skipped when a listener failed: no load balancer needs it.
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

/// Controls a running service. Clones control the same one.
#[derive(Clone)]
pub struct Handle {
    gauges: Gauges,
    keys: KeyView,
    stop: Arc<watch::Sender<bool>>,
    ended: Arc<watch::Sender<bool>>,
}

impl Handle {
    /// The counters so far.
    pub fn counters(&self) -> Counters {
        self.gauges.read()
    }

    /// The figures of each cache so far.
    pub fn caches(&self) -> Vec<Figures> {
        self.gauges.caches()
    }

    /// A summary of the keys in use, without key material. Reflects key rings that were reloaded while the service
    /// runs.
    pub fn keys(&self) -> Vec<KeySummary> {
        self.keys.in_use.keys()
    }

    /// How many changed key rings were rejected so far; each time the previous ring stayed in use.
    pub fn refused_rings(&self) -> u64 {
        self.keys.refused.load(Ordering::Relaxed)
    }

    /// Waits until no worker is active. None starts a round while the guard is held, so counters that change
    /// meanwhile were changed by requests.
    pub async fn pause_workers(&self) -> impl Drop + Send + use<> {
        self.gauges.pause_workers().await
    }

    /// Requests a shutdown, and waits until it is complete.
    pub async fn shut_down(&self) {
        self.stop.send_replace(true);
        // An error means that the service is already gone.
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
        // A restart need not wait for connections of the previous process in TIME_WAIT.
        socket.set_reuseaddr(true)?;
        // Accepted connections inherit the buffer sizes of the listener.
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

/// `http.public_url`, or else the address of the listener; without a trailing slash.
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

/// The admission of client connections, with a limit per address outside trusted proxies and exempt networks.
fn public_connections(config: &Config) -> Result<Arc<Admission>, TooFewFiles> {
    let proxies = config.http.trusted_proxies.iter();
    let uncounted = proxies.chain(&config.protection.exempt_networks);
    let admission = Admission::new(connections::most_public(config)?).per_address(
        config.http.connections.most_per_address,
        uncounted.copied().collect(),
    );
    Ok(Arc::new(admission))
}

/// No limit per address: the few clients of the management listener may share one.
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
        // Answers keep the connection alive, so that a monitor can follow the shutdown.
        draining: Draining::default(),
    }
}

/// Serves the management listener of a node without an API.
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
