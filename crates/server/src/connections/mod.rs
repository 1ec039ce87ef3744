//! Client connections: which are accepted, and for how long they may stay open (`docs/adr/0044`).
//!
//! The HTTP parser of the server is kept. It reads from a stream of this crate ([`guarded`]), and calls a service
//! of this crate ([`exchange`]) that wraps the application.

mod admission;
mod exchange;
mod framing;
mod guarded;
mod limits;

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_http::{
    ConnectionType, Extensions, HttpService, KeepAlive, Protocol, Request, Response,
    body::MessageBody, error::DispatchError,
};
use actix_server::Server;
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, apply_fn_factory,
    fn_service, map_config,
};
use actix_web::{Error, dev::AppConfig};
use api_http::{Draining, LongLived};
use tokio::net::TcpStream;

pub(crate) use admission::{Admission, Counted};
use exchange::{Answering, Pieces};
use guarded::Guarded;
pub use limits::TooFewFiles;
pub(crate) use limits::{Deadlines, most_public, raise_file_limit};

/// Connections that may be accepted beyond the admitted ones, in order to be refused: an accepted connection holds
/// a file descriptor before it is checked.
const TO_REFUSE: usize = 32;
/// How long the rest of an unwanted body is read when the parser closes the connection.
const PARSER_LINGERS: Duration = Duration::from_secs(1);

/// A listener and the limits of its connections.
pub(crate) struct Listening {
    pub(crate) socket: TcpListener,
    pub(crate) threads: usize,
    pub(crate) admission: Arc<Admission>,
    pub(crate) deadlines: Deadlines,
    /// How long requests in progress may take after a request to stop.
    pub(crate) drain_seconds: u64,
    /// Once it is set, every answer closes its connection, so that the client reconnects to another node.
    pub(crate) draining: Draining,
}

impl Listening {
    /// Serves an application.
    pub(crate) fn serve<F, I, S, B>(self, application: F) -> io::Result<Server>
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Error: Into<Error> + 'static,
        S::InitError: fmt::Debug,
        S::Response: Into<Response<B>> + 'static,
        <S::Service as Service<Request>>::Future: 'static,
        S::Service: 'static,
        B: MessageBody + 'static,
    {
        let Self {
            socket,
            threads,
            admission,
            deadlines,
            drain_seconds,
            draining,
        } = self;
        let address = socket.local_addr()?;
        let most = admission.most().saturating_add(TO_REFUSE);
        let builder = Server::build()
            .workers(threads)
            .max_concurrent_connections(most.div_ceil(threads.max(1)))
            .shutdown_timeout(drain_seconds)
            .disable_signals();
        let ending = builder.graceful_shutdown_signal();
        let builder = builder.listen("http", socket, move || {
            let ending = ending.clone();
            let http = HttpService::build()
                .graceful_shutdown_signal(move || {
                    let ending = ending.clone();
                    async move { ending.notified().await }
                })
                // The stream enforces the deadlines, for every request and not only for the first one.
                .keep_alive(KeepAlive::Os)
                .client_request_timeout(Duration::ZERO)
                .client_disconnect_timeout(PARSER_LINGERS)
                // A client that closes its side has given up, as proxies and clients with a timeout do: the answer
                // is no longer wanted, and a repeated request may get it (ADR 0057).
                .h1_allow_half_closed(false)
                .local_addr(address)
                .on_connect_ext(|stream: &Guarded, data: &mut Extensions| {
                    let _before = data.insert(stream.exchange());
                })
                .finish(answering(application(), draining.clone()));
            let admission = Arc::clone(&admission);
            fn_service(move |socket: TcpStream| {
                let admitted = admit(socket, &admission, deadlines);
                async move { admitted }
            })
            .and_then(http)
        })?;
        Ok(builder.run())
    }
}

type Connection = (Guarded, Protocol, Option<SocketAddr>);

fn admit(
    socket: TcpStream,
    admission: &Arc<Admission>,
    deadlines: Deadlines,
) -> Result<Connection, DispatchError> {
    let peer = socket.peer_addr()?;
    let permit = admission
        .admit(peer.ip())
        .map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
    let stream = Guarded::new(socket, permit, deadlines);
    Ok((stream, Protocol::Http1, Some(peer)))
}

/// The application, wrapped so that the stream learns when an answer has been sent.
fn answering<I, S, B>(
    application: I,
    draining: Draining,
) -> impl ServiceFactory<
    Request,
    Config = (),
    Response = Response<Pieces>,
    Error = actix_web::HttpResponse,
    InitError = S::InitError,
    Service = impl Service<
        Request,
        Response = Response<Pieces>,
        Error = actix_web::HttpResponse,
        Future = impl Future + 'static,
    >,
    Future = impl Future + 'static,
>
where
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let application = map_config(application, |()| AppConfig::default());
    apply_fn_factory(
        application,
        move |request: Request, application: &S::Service| {
            let answering = Answering::to(&request);
            let answer = application.call(request);
            let draining = draining.clone();
            async move {
                let mut answer: Response<B> = answer.await?.into();
                if draining.has_begun() {
                    answer.head_mut().set_connection_type(ConnectionType::Close);
                }
                if answer.extensions().get::<LongLived>().is_some() {
                    answering.lasts();
                }
                Ok(answer.map_body(|_, body| Pieces::of(body.boxed(), answering)))
            }
        },
    )
    .map_err(|error: S::Error| error.into().error_response())
}
