//! Every route, in one table: who may call it, how its calls are counted, which parameters it takes, and
//! what it refuses beside what all routes of its kind refuse.
//!
//! A route cannot be registered without a row, nor a row be written without these answers. Tests compare
//! the table with the `OpenAPI` document; black-box suites walk it.

use std::fmt;

use actix_web::{FromRequest, Handler, HttpMessage as _, HttpRequest, Responder, Route, http, web};
use authentication_domain::protection::RouteClass;

use crate::{ProblemCode, ProblemCode as P, root, v1};

/// The methods that routes have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads. Answers `HEAD` too (RFC 9110 §9.3.2).
    Get,
    /// Does something.
    Post,
    /// Changes what it names.
    Patch,
    /// Takes away.
    Delete,
}

impl Method {
    /// The method in HTTP.
    pub const fn as_http(self) -> http::Method {
        match self {
            Self::Get => http::Method::GET,
            Self::Post => http::Method::POST,
            Self::Patch => http::Method::PATCH,
            Self::Delete => http::Method::DELETE,
        }
    }

    /// What an `Allow` header says of it.
    pub(crate) const fn allowed(self) -> &'static str {
        match self {
            Self::Get => "GET, HEAD",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether a request with the method `sent` is for it.
    pub(crate) fn answers(self, sent: &http::Method) -> bool {
        *sent == self.as_http() || (self == Self::Get && *sent == http::Method::HEAD)
    }
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Public,
    /// Whoever brings the access token of a live session.
    SignedIn,
}

/// How the calls of a route are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// In the windows of this class.
    By(RouteClass),
    /// Not at all: a probe must not be told to come back later.
    Never,
}

/// Which query parameters a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Query {
    /// These, each once. Any other is refused.
    Only(&'static [&'static str]),
    /// It takes no notice of any (a document that caches and probes decorate as they like).
    Ignored,
}

/// Where a route is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// On the public listener.
    Public,
    /// On both listeners.
    Both,
    /// On the management listener, and on the public one where configuration says so. Not in the `OpenAPI`
    /// document: it is that document, or shows it.
    Pages,
    /// On the management listener alone. Not in the `OpenAPI` document: it is no part of the API.
    Management,
    /// On the public listener, while messages go to the development mailbox.
    Mailbox,
}

/// One row of the table.
#[derive(Clone, Copy)]
pub struct RouteSpec {
    /// Its method.
    pub method: Method,
    /// Its path, as a template.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// How its calls are counted.
    pub counted: Counted,
    /// Which query parameters it takes.
    pub query: Query,
    /// Where it is served.
    pub presence: Presence,
    /// What it refuses beside what its kind refuses.
    pub refuses: &'static [ProblemCode],
    handler: fn() -> Route,
}

impl RouteSpec {
    /// The row of the route that serves a request.
    pub(crate) fn of(request: &HttpRequest) -> Option<&'static Self> {
        request.extensions().get::<&'static Self>().copied()
    }

    /// Its place in the table; `None` for a row that is not in it.
    pub fn position(&'static self) -> Option<usize> {
        let bytes = std::ptr::from_ref(self)
            .addr()
            .checked_sub(ROUTES.as_ptr().addr())?;
        Some(bytes / size_of::<Self>()).filter(|position| *position < ROUTES.len())
    }

    pub(crate) fn route(&self) -> Route {
        (self.handler)()
    }

    /// A row beside the table, for tests of what surrounds every handler.
    #[cfg(test)]
    pub(crate) const fn of_a_test(path: &'static str, handler: fn() -> Route) -> Self {
        public(Method::Get, path, RouteClass::Public, &[], handler)
    }
}

impl fmt::Debug for RouteSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.as_http(), self.path)
    }
}

/// The whole table.
pub fn all() -> &'static [RouteSpec] {
    ROUTES
}

fn to<F, Args>(handler: F) -> Route
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::route().to(handler)
}

/// A route of the API, open to everybody.
const fn public(
    method: Method,
    path: &'static str,
    class: RouteClass,
    refuses: &'static [ProblemCode],
    handler: fn() -> Route,
) -> RouteSpec {
    RouteSpec {
        method,
        path,
        access: Access::Public,
        counted: Counted::By(class),
        query: Query::Only(&[]),
        presence: Presence::Public,
        refuses,
        handler,
    }
}

/// A route of the API, for whoever is signed in.
const fn signed_in(
    method: Method,
    path: &'static str,
    refuses: &'static [ProblemCode],
    handler: fn() -> Route,
) -> RouteSpec {
    RouteSpec {
        access: Access::SignedIn,
        ..public(method, path, RouteClass::SignedIn, refuses, handler)
    }
}

/// A document at the root.
const fn document(
    path: &'static str,
    presence: Presence,
    counted: Counted,
    handler: fn() -> Route,
) -> RouteSpec {
    RouteSpec {
        counted,
        query: Query::Ignored,
        presence,
        ..public(Method::Get, path, RouteClass::Public, &[], handler)
    }
}

impl RouteSpec {
    const fn with_query(self, names: &'static [&'static str]) -> Self {
        Self {
            query: Query::Only(names),
            ..self
        }
    }

    const fn counted_by(self, class: RouteClass) -> Self {
        Self {
            counted: Counted::By(class),
            ..self
        }
    }
}

static ROUTES: &[RouteSpec] = &[
    // ---- accounts and sign-in ----
    public(
        Method::Post,
        "/api/v1/auth/register",
        RouteClass::Register,
        &[
            P::IdempotencyInProgress,
            P::IdempotencyKeyReused,
            P::Overloaded,
        ],
        || to(v1::auth::register::register),
    ),
    public(
        Method::Post,
        "/api/v1/auth/verify-otp",
        RouteClass::Verify,
        &[
            P::InvalidCode,
            P::AccountSuspended,
            P::AnotherProofRequired,
            P::TooManyAttempts,
        ],
        || to(v1::auth::verify_otp::verify_otp),
    ),
    public(
        Method::Post,
        "/api/v1/auth/resend-otp",
        RouteClass::SendCode,
        &[P::InvalidCode],
        || to(v1::auth::resend_otp::resend_otp),
    ),
    public(
        Method::Post,
        "/api/v1/auth/login",
        RouteClass::LogIn,
        &[
            P::InvalidCredentials,
            P::AccountSuspended,
            P::AccountLocked,
            P::Overloaded,
        ],
        || to(v1::auth::log_in::log_in),
    ),
    public(
        Method::Post,
        "/api/v1/auth/login/otp",
        RouteClass::SendCode,
        &[],
        || to(v1::auth::log_in_otp::log_in_otp),
    ),
    // ---- Google ----
    public(
        Method::Post,
        "/api/v1/auth/google/options",
        RouteClass::Verify,
        &[P::NotFound],
        || to(v1::auth::google::options),
    ),
    public(
        Method::Post,
        "/api/v1/auth/google",
        RouteClass::Verify,
        &[
            P::NotFound,
            P::InvalidCredentials,
            P::AccountSuspended,
            P::AccountExistsLinkRequired,
        ],
        || to(v1::auth::google::sign_in),
    ),
    public(
        Method::Post,
        "/api/v1/auth/google/authorize",
        RouteClass::Verify,
        &[P::NotFound, P::InvalidRedirectUri],
        || to(v1::auth::google::authorize),
    ),
    public(
        Method::Post,
        "/api/v1/auth/google/callback",
        RouteClass::Verify,
        &[
            P::NotFound,
            P::InvalidState,
            P::InvalidCredentials,
            P::AccountSuspended,
            P::AccountExistsLinkRequired,
        ],
        || to(v1::auth::google::callback),
    ),
    public(
        Method::Post,
        "/api/v1/auth/mfa/otp",
        RouteClass::Verify,
        &[
            P::InvalidCode,
            P::SecondFactorNotAllowed,
            P::TooManyAttempts,
        ],
        || to(v1::auth::mfa::otp::mfa_otp),
    ),
    public(
        Method::Post,
        "/api/v1/auth/mfa/verify",
        RouteClass::Verify,
        &[
            P::InvalidCode,
            P::SecondFactorNotAllowed,
            P::TooManyAttempts,
        ],
        || to(v1::auth::mfa::verify::mfa_verify),
    ),
    public(
        Method::Post,
        "/api/v1/auth/mfa/webauthn/options",
        RouteClass::Verify,
        &[
            P::InvalidCode,
            P::SecondFactorNotAllowed,
            P::TooManyAttempts,
        ],
        || to(v1::auth::mfa::webauthn::options),
    ),
    public(
        Method::Post,
        "/api/v1/auth/mfa/webauthn/verify",
        RouteClass::Verify,
        &[
            P::InvalidCode,
            P::SecondFactorNotAllowed,
            P::TooManyAttempts,
        ],
        || to(v1::auth::mfa::webauthn::verify),
    ),
    signed_in(
        Method::Post,
        "/api/v1/auth/reauthenticate",
        &[
            P::InvalidCode,
            P::InvalidCurrentPassword,
            P::AccountLocked,
            P::TooManyAttempts,
            P::Overloaded,
        ],
        || to(v1::auth::reauthenticate::reauthenticate),
    ),
    public(
        Method::Post,
        "/api/v1/auth/passkey/options",
        RouteClass::LogIn,
        &[],
        || to(v1::auth::passkey::options),
    ),
    public(
        Method::Post,
        "/api/v1/auth/passkey/verify",
        RouteClass::LogIn,
        &[P::InvalidCode, P::AccountSuspended],
        || to(v1::auth::passkey::verify),
    ),
    public(
        Method::Post,
        "/api/v1/auth/token/refresh",
        RouteClass::Refresh,
        &[P::InvalidRefreshToken, P::RefreshTokenReused],
        || to(v1::auth::refresh::refresh),
    ),
    public(
        Method::Post,
        "/api/v1/auth/password/reset",
        RouteClass::SendCode,
        &[],
        || to(v1::auth::reset_password::request_reset),
    ),
    public(
        Method::Post,
        "/api/v1/auth/password/reset/confirm",
        RouteClass::Verify,
        &[
            P::InvalidCode,
            P::AnotherProofRequired,
            P::Conflict,
            P::TooManyAttempts,
            P::Overloaded,
        ],
        || to(v1::auth::reset_password::confirm_reset),
    ),
    signed_in(
        Method::Post,
        "/api/v1/auth/password/change",
        &[
            P::InvalidCurrentPassword,
            P::Conflict,
            P::AccountLocked,
            P::Overloaded,
        ],
        || to(v1::auth::change_password::change_password),
    ),
    signed_in(Method::Post, "/api/v1/auth/logout", &[], || {
        to(v1::auth::log_out::log_out)
    }),
    signed_in(Method::Post, "/api/v1/auth/logout-all", &[], || {
        to(v1::auth::log_out::log_out_everywhere)
    }),
    public(
        Method::Post,
        "/api/v1/auth/not-me",
        RouteClass::Verify,
        &[P::InvalidCode],
        || to(v1::auth::not_me::not_me),
    ),
    public(
        Method::Post,
        "/api/v1/auth/identifier/undo",
        RouteClass::Verify,
        &[P::InvalidCode],
        || to(v1::auth::not_me::undo_identifier_change),
    ),
    // ---- oneself ----
    signed_in(Method::Get, "/api/v1/me", &[], || to(v1::me::profile::show)),
    signed_in(Method::Patch, "/api/v1/me", &[P::Conflict], || {
        to(v1::me::profile::change)
    }),
    signed_in(
        Method::Post,
        "/api/v1/me/google",
        &[
            P::NotFound,
            P::InvalidCredentials,
            P::ReauthenticationRequired,
            P::AlreadyLinked,
            P::Conflict,
        ],
        || to(v1::me::google::link),
    ),
    signed_in(
        Method::Delete,
        "/api/v1/me/google",
        &[
            P::NotFound,
            P::ReauthenticationRequired,
            P::LastWayIn,
            P::Conflict,
        ],
        || to(v1::me::google::unlink),
    ),
    signed_in(Method::Get, "/api/v1/me/sessions", &[], || {
        to(v1::me::sessions::list)
    })
    .with_query(&["limit", "cursor"]),
    signed_in(Method::Delete, "/api/v1/me/sessions", &[], || {
        to(v1::me::sessions::end_others)
    }),
    signed_in(
        Method::Delete,
        "/api/v1/me/sessions/{id}",
        &[P::NotFound],
        || to(v1::me::sessions::end),
    ),
    signed_in(Method::Get, "/api/v1/me/mfa", &[], || to(v1::me::mfa::show)),
    signed_in(
        Method::Post,
        "/api/v1/me/mfa/totp",
        &[P::ReauthenticationRequired],
        || to(v1::me::mfa::begin_totp),
    ),
    signed_in(
        Method::Post,
        "/api/v1/me/mfa/totp/confirm",
        &[
            P::ReauthenticationRequired,
            P::InvalidCode,
            P::TooManyAttempts,
        ],
        || to(v1::me::mfa::confirm_totp),
    ),
    signed_in(
        Method::Delete,
        "/api/v1/me/mfa/totp",
        &[P::ReauthenticationRequired, P::NotFound],
        || to(v1::me::mfa::remove_totp),
    ),
    signed_in(
        Method::Post,
        "/api/v1/me/mfa/recovery-codes",
        &[P::ReauthenticationRequired, P::NoSecondFactor],
        || to(v1::me::mfa::renew_recovery_codes),
    ),
    signed_in(
        Method::Post,
        "/api/v1/me/identifier",
        &[P::ReauthenticationRequired],
        || to(v1::me::identifier::change),
    )
    .counted_by(RouteClass::SendCode),
    signed_in(
        Method::Post,
        "/api/v1/me/identifier/confirm",
        &[
            P::InvalidCode,
            P::ReauthenticationRequired,
            P::Conflict,
            P::TooManyAttempts,
        ],
        || to(v1::me::identifier::confirm),
    )
    .counted_by(RouteClass::Verify),
    signed_in(Method::Get, "/api/v1/me/devices", &[], || {
        to(v1::me::devices::list)
    }),
    signed_in(
        Method::Delete,
        "/api/v1/me/devices/{id}",
        &[P::NotFound],
        || to(v1::me::devices::forget),
    ),
    signed_in(
        Method::Post,
        "/api/v1/me/passkeys/options",
        &[P::ReauthenticationRequired, P::TooManyPasskeys],
        || to(v1::me::passkeys::options),
    ),
    signed_in(
        Method::Post,
        "/api/v1/me/passkeys",
        &[
            P::InvalidCode,
            P::ReauthenticationRequired,
            P::TooManyPasskeys,
        ],
        || to(v1::me::passkeys::enrol),
    ),
    signed_in(Method::Get, "/api/v1/me/passkeys", &[], || {
        to(v1::me::passkeys::list)
    }),
    signed_in(
        Method::Patch,
        "/api/v1/me/passkeys/{id}",
        &[P::NotFound],
        || to(v1::me::passkeys::rename),
    ),
    signed_in(
        Method::Delete,
        "/api/v1/me/passkeys/{id}",
        &[P::NotFound, P::ReauthenticationRequired, P::LastWayIn],
        || to(v1::me::passkeys::remove),
    ),
    // ---- for forms ----
    public(
        Method::Get,
        "/api/v1/countries",
        RouteClass::Public,
        &[],
        || to(v1::countries::list),
    )
    .with_query(&["q"]),
    // ---- documents at the root ----
    document(
        "/.well-known/jwks.json",
        Presence::Public,
        Counted::By(RouteClass::Public),
        || to(root::well_known::keys),
    ),
    document(
        "/.well-known/openid-configuration",
        Presence::Public,
        Counted::By(RouteClass::Public),
        || to(root::well_known::metadata),
    ),
    document("/health/live", Presence::Both, Counted::Never, || {
        to(root::health::live)
    }),
    document("/health/ready", Presence::Both, Counted::Never, || {
        to(root::health::ready)
    }),
    document("/metrics", Presence::Management, Counted::Never, || {
        to(root::metrics::show)
    }),
    document("/dev/mailbox", Presence::Mailbox, Counted::Never, || {
        to(root::mailbox::list)
    })
    .with_query(&["to"]),
    document(
        "/openapi.json",
        Presence::Pages,
        Counted::By(RouteClass::Public),
        || to(root::docs::document),
    ),
    document(
        "/docs",
        Presence::Pages,
        Counted::By(RouteClass::Public),
        || to(root::docs::page),
    ),
    document(
        "/docs/{file}",
        Presence::Pages,
        Counted::By(RouteClass::Public),
        || to(root::docs::file),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_knows_its_place() {
        static BESIDE: RouteSpec = RouteSpec::of_a_test("/beside", web::route);
        for (position, spec) in all().iter().enumerate() {
            assert_eq!(spec.position(), Some(position), "{spec:?}");
        }
        assert_eq!(BESIDE.position(), None);
    }
}
