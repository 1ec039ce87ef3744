//! Every route, in one table: who may call it, how its calls are counted, which parameters it takes, and
//! what it refuses beside what all routes of its kind refuse.
//!
//! A route cannot be registered without a row, nor a row be written without these answers. Tests compare
//! the table with the `OpenAPI` document; black-box suites walk it.

mod table;

use std::fmt;

use actix_web::{FromRequest, Handler, HttpMessage as _, HttpRequest, Responder, Route, http, web};
use authentication_domain::protection::{Quota, RouteClass};

use self::table::ROUTES;
use crate::ProblemCode;

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

/// Whether calls of a route can have somebody sent a message, a code or a notice, and what keeps those few. A
/// route that sends and does not say so fails wherever a test has it send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sends {
    /// They cannot.
    Nothing,
    /// They are counted for the account that is signed in, before anything is done, in a window of the route's
    /// own, whatever is sent.
    ByAccount(Quota),
    /// They send codes, which are counted for whoever gets them (`ChallengeRules`).
    ByRecipient,
    /// They send notices alone, to an account that is known only once it is proven: one at once, and the rest
    /// together (`NoticePace`).
    Gathered,
    /// They send one notice for a link that counts once.
    ByLink,
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
    /// Whether they can send messages, and how few.
    pub sends: Sends,
    /// Which query parameters it takes.
    pub query: Query,
    /// Where it is served.
    pub presence: Presence,
    /// What it refuses beside what its kind refuses.
    pub refuses: &'static [ProblemCode],
    /// It answers with new tokens, and the one it came with counts no more; who repeats it with its idempotency key
    /// brings that one.
    pub ends_its_token: bool,
    handler: fn() -> Route,
}

impl RouteSpec {
    /// The row of the route that serves a request.
    pub(crate) fn of(request: &HttpRequest) -> Option<&'static Self> {
        request.extensions().get::<&'static Self>().copied()
    }

    /// Whether it may have a password hashed or its strength estimated: such a call may meet a full queue, and
    /// its limits are none of the cheap ones.
    pub fn may_hash(&self) -> bool {
        self.refuses.contains(&ProblemCode::Overloaded)
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
        sends: Sends::Nothing,
        query: Query::Only(&[]),
        presence: Presence::Public,
        refuses,
        ends_its_token: false,
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

    const fn sends(self, sends: Sends) -> Self {
        Self { sends, ..self }
    }

    /// Sends, for an account so often an hour.
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

    /// Small: nobody changes what a notice tells of more often, and each call may cost a message.
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
            // What is signed in has an account to count for, whatever the address.
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
