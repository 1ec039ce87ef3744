//! The state that handlers use.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use actix_web::{HttpRequest, web};
use authentication_app::{
    Cursors, accounts::Accounts, challenges::Challenges, credentials::Credentials,
    federation::Providers, mfa::Mfa, passkeys::Passkeys, ports::TokenSigner, protection::Limits,
    sessions::Sessions,
};
use common::{Clock, Id, RequestId, SecureRandom};

use crate::{
    ApiConfig, Problem, ProblemCode,
    ports::{HttpMeter, MailboxView, ReadinessProbe, TraceLink},
};

/// The use cases and their surroundings; built once by the composition root, shared by all workers.
pub struct ApiState {
    /// Registration and profiles.
    pub accounts: Accounts,
    /// Sign-in, sign-out and token refresh.
    pub sessions: Sessions,
    /// Passwords.
    pub credentials: Credentials,
    /// One-time codes.
    pub challenges: Challenges,
    /// Second factors.
    pub mfa: Mfa,
    /// Passkeys.
    pub passkeys: Passkeys,
    /// Sign-in through the configured providers.
    pub providers: Providers,
    /// Cursors of paged lists.
    pub cursors: Cursors,
    /// Rate limits.
    pub limits: Limits,
    /// For the documents under `/.well-known`.
    pub signer: Arc<dyn TokenSigner>,
    /// The clock, for the timestamp in new request ids.
    pub clock: Arc<dyn Clock>,
    /// The source of randomness for new request ids.
    pub random: Arc<dyn SecureRandom>,
    /// For `/health/ready`.
    pub readiness: Arc<dyn ReadinessProbe>,
    /// Set when shutdown begins.
    pub draining: Draining,
    /// The development mailbox, if messages go there.
    pub mailbox: Option<Arc<dyn MailboxView>>,
    /// Measures requests, and exposes the metrics.
    pub meter: Arc<dyn HttpMeter>,
    /// Joins spans to traces, if traces are exported.
    pub trace_link: Option<Arc<dyn TraceLink>>,
    /// The settings.
    pub config: ApiConfig,
}

impl ApiState {
    pub(crate) fn mint_request_id(&self) -> RequestId {
        let id: Id<RequestId> = Id::mint(self.clock.as_ref(), self.random.as_ref());
        RequestId::from_uuid(id.as_uuid())
    }

    /// The mailbox, if it may be shown.
    pub(crate) fn mailbox(&self) -> Option<&dyn MailboxView> {
        self.mailbox.as_deref().filter(|_| self.config.development)
    }
}

/// Whether shutdown has begun. Clones share the state.
#[derive(Debug, Clone, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    /// From now on `/health/ready` reports draining; requests are still served.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether shutdown has begun.
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The state as an argument of handlers.
pub(crate) type State = web::Data<ApiState>;

/// The state, for extractors and middleware.
pub(crate) fn state_of(request: &HttpRequest) -> Result<&State, Problem> {
    request
        .app_data::<State>()
        .ok_or_else(|| Problem::of(ProblemCode::InternalError))
}
