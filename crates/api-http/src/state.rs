//! What handlers reach.

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

/// The use cases and what stands beside them; built once by the composition root, shared by all workers.
pub struct ApiState {
    /// Registration, profiles.
    pub accounts: Accounts,
    /// Signing in and out, refreshing.
    pub sessions: Sessions,
    /// Passwords.
    pub credentials: Credentials,
    /// One-time codes.
    pub challenges: Challenges,
    /// Second factors.
    pub mfa: Mfa,
    /// Passkeys.
    pub passkeys: Passkeys,
    /// Signing in through providers, those that are configured.
    pub providers: Providers,
    /// Places in lists.
    pub cursors: Cursors,
    /// Counting calls.
    pub limits: Limits,
    /// For the documents under `/.well-known`.
    pub signer: Arc<dyn TokenSigner>,
    /// For the time in minted request ids.
    pub clock: Arc<dyn Clock>,
    /// For minted request ids.
    pub random: Arc<dyn SecureRandom>,
    /// For `/health/ready`.
    pub readiness: Arc<dyn ReadinessProbe>,
    /// Turned on when shutdown begins.
    pub draining: Draining,
    /// The development mailbox, while messages go there.
    pub mailbox: Option<Arc<dyn MailboxView>>,
    /// Counts requests, and shows what was counted.
    pub meter: Arc<dyn HttpMeter>,
    /// Joins spans to traces, when traces go anywhere.
    pub trace_link: Option<Arc<dyn TraceLink>>,
    /// The settings.
    pub config: ApiConfig,
}

impl ApiState {
    pub(crate) fn mint_request_id(&self) -> RequestId {
        let id: Id<RequestId> = Id::mint(self.clock.as_ref(), self.random.as_ref());
        RequestId::from_uuid(id.as_uuid())
    }

    /// The mailbox, where it may be shown.
    pub(crate) fn mailbox(&self) -> Option<&dyn MailboxView> {
        self.mailbox.as_deref().filter(|_| self.config.development)
    }
}

/// Whether shutdown has begun. Clones share the answer.
#[derive(Debug, Clone, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    /// From now on `/health/ready` says so; requests are still served.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The state, as handlers ask for it.
pub(crate) type State = web::Data<ApiState>;

/// The state, for extractors and middleware.
pub(crate) fn state_of(request: &HttpRequest) -> Result<&State, Problem> {
    request
        .app_data::<State>()
        .ok_or_else(|| Problem::of(ProblemCode::InternalError))
}
