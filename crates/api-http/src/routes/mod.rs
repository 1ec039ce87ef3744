//! Every route, in one table: who may call it, how its calls are counted, which parameters it accepts, and its
//! refusals beyond those of all routes of its kind.
//!
//! A route cannot be registered without a row, and a row requires all of these values. Tests compare the table with
//! the `OpenAPI` document; black-box test suites iterate over it.

mod table;

use std::fmt;

use actix_web::{FromRequest, Handler, HttpMessage as _, HttpRequest, Responder, Route, http, web};
use authentication_domain::protection::{Quota, RouteClass};

use self::table::ROUTES;
use crate::ProblemCode;

/// The methods of the routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads. Also answers `HEAD` (RFC 9110 §9.3.2).
    Get,
    /// Executes an operation, or creates a resource.
    Post,
    /// Changes a resource.
    Patch,
    /// Deletes a resource.
    Delete,
}

impl Method {
    /// The HTTP method.
    pub const fn as_http(self) -> http::Method {
        match self {
            Self::Get => http::Method::GET,
            Self::Post => http::Method::POST,
            Self::Patch => http::Method::PATCH,
            Self::Delete => http::Method::DELETE,
        }
    }

    /// Its entry in an `Allow` header.
    pub(crate) const fn allowed(self) -> &'static str {
        match self {
            Self::Get => "GET, HEAD",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether it handles a request with the method `sent`.
    pub(crate) fn answers(self, sent: &http::Method) -> bool {
        *sent == self.as_http() || (self == Self::Get && *sent == http::Method::HEAD)
    }
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody, without a token.
    Public,
    /// Clients with the access token of a live session.
    SignedIn,
}

/// How the calls of a route are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// In the windows of this class.
    By(RouteClass),
    /// Not at all: a probe must not be rate-limited.
    Never,
}

/// Whether calls of a route can send a person a message (a code or a notice), and what limits their number. A route
/// that sends messages but is marked as [`Self::Nothing`] fails in every test in which it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sends {
    /// They send nothing.
    Nothing,
    /// They are counted by the signed-in account, before anything else is done, in a separate window for the route,
    /// regardless of what is sent.
    ByAccount(Quota),
    /// They send codes, which are counted by recipient (`ChallengeRules`).
    ByRecipient,
    /// They send notices only, to an account that is known only after a proof: the first at once, and the rest
    /// combined (`NoticePace`).
    Gathered,
    /// They send one notice per link, which is valid once.
    ByLink,
}

/// Which query parameters a route accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Query {
    /// Only these, each at most once. Any other is refused.
    Only(&'static [&'static str]),
    /// It ignores all parameters (a document that caches and probes request with arbitrary ones).
    Ignored,
}

/// Where a route is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// On the public listener.
    Public,
    /// On both listeners.
    Both,
    /// On the management listener, and on the public one if configured. Not in the `OpenAPI` document, because it
    /// serves or shows that document.
    Pages,
    /// On the management listener only. Not in the `OpenAPI` document, because it is not part of the API.
    Management,
    /// On the public listener, if messages go to the development mailbox.
    Mailbox,
}

/// One row of the table.
#[derive(Clone, Copy)]
pub struct RouteSpec {
    /// The method.
    pub method: Method,
    /// The path, as a template.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// How its calls are counted.
    pub counted: Counted,
    /// Whether its calls can send messages, and their limit.
    pub sends: Sends,
    /// Which query parameters it accepts.
    pub query: Query,
    /// Where it is served.
    pub presence: Presence,
    /// Its refusals beyond those of its kind.
    pub refuses: &'static [ProblemCode],
    /// It answers with new tokens and invalidates the token of the request; a repetition with the same idempotency
    /// key carries that old token.
    pub ends_its_token: bool,
    handler: fn() -> Route,
}

impl RouteSpec {
    /// The row of the route that serves a request.
    pub(crate) fn of(request: &HttpRequest) -> Option<&'static Self> {
        request.extensions().get::<&'static Self>().copied()
    }

    /// Whether it may hash a password or estimate its strength. Such a call may meet a full queue, and its rate
    /// limits must not be those of cheap routes.
    pub fn may_hash(&self) -> bool {
        self.refuses.contains(&ProblemCode::Overloaded)
    }

    /// Its index in the table; `None` for a row that is not in it.
    pub fn position(&'static self) -> Option<usize> {
        let bytes = std::ptr::from_ref(self)
            .addr()
            .checked_sub(ROUTES.as_ptr().addr())?;
        Some(bytes / size_of::<Self>()).filter(|position| *position < ROUTES.len())
    }

    pub(crate) fn route(&self) -> Route {
        (self.handler)()
    }

    /// A row outside the table, for tests of the middleware.
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

/// A public route of the API.
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
        sends: Sends::Nothing,
        query: Query::Only(&[]),
        presence: Presence::Public,
        refuses,
        ends_its_token: false,
        handler,
    }
}

/// A route of the API for signed-in clients.
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

    const fn sends(self, sends: Sends) -> Self {
        Self { sends, ..self }
    }

    /// Sends messages; limited per account and hour.
    const fn sends_an_hour(self, calls: u32) -> Self {
        self.sends(Sends::ByAccount(Quota::an_hour(calls)))
    }

    const fn ending_its_token(self) -> Self {
        Self {
            ends_its_token: true,
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

#[cfg(test)]
mod tests {
    use authentication_domain::protection::Quota;

    use super::*;

    /// The limits are low: what a notice reports rarely changes more often, and each call may cost a message.
    #[test]
    fn whoever_is_signed_in_has_few_calls_of_each_route_that_sends() {
        for spec in all() {
            match (spec.sends, spec.access) {
                (Sends::ByAccount(quota), Access::SignedIn) => {
                    assert!(quota.calls <= 30, "{spec:?}");
                    assert_eq!(quota.window, time::Duration::HOUR, "{spec:?}");
                }
                (Sends::Nothing, _) => {}
                (_, Access::Public) => {
                    assert!(!matches!(spec.sends, Sends::ByAccount(_)), "{spec:?}");
                }
                (_, Access::SignedIn) => panic!("{spec:?} has no limit by account"),
            }
        }
    }

    #[test]
    fn no_route_that_hashes_has_the_cheap_limits() {
        let per_minute =
            |quota: Quota| f64::from(quota.calls) / quota.window.as_seconds_f64() * 60.0;
        let most = RouteClass::LogIn.limit();
        let (most_by_address, most_by_subject) = (
            per_minute(most.by_address.unwrap()),
            per_minute(most.by_subject.unwrap()),
        );
        let mut hashing = Vec::new();
        for spec in all().iter().filter(|spec| spec.may_hash()) {
            let Counted::By(class) = spec.counted else {
                panic!("{spec:?} hashes and is not counted");
            };
            let limit = class.limit();
            let by_address = per_minute(limit.by_address.unwrap());
            assert!(by_address <= most_by_address, "{spec:?}");
            // A signed-in call is also counted by account, for any address.
            if spec.access == Access::SignedIn {
                let by_account = per_minute(limit.by_subject.unwrap());
                assert!(by_account <= most_by_subject, "{spec:?}");
            }
            hashing.push(spec.path);
        }
        assert_eq!(
            hashing,
            [
                "/api/v1/auth/register",
                "/api/v1/auth/login",
                "/api/v1/auth/reauthenticate",
                "/api/v1/auth/password/reset/confirm",
                "/api/v1/auth/password/change",
            ]
        );
    }

    #[test]
    fn a_row_knows_its_place() {
        static BESIDE: RouteSpec = RouteSpec::of_a_test("/beside", web::route);
        for (position, spec) in all().iter().enumerate() {
            assert_eq!(spec.position(), Some(position), "{spec:?}");
        }
        assert_eq!(BESIDE.position(), None);
    }
}
