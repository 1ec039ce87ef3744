//! Rate limits, and their headers (`RateLimit` and `RateLimit-Policy`, draft-ietf-httpapi-ratelimit-headers).

use std::{
    fmt::Write as _,
    future::{Ready, ready},
    sync::Arc,
};

use actix_web::{
    FromRequest, HttpMessage as _, HttpRequest,
    dev::Payload,
    http::header::{HeaderMap, HeaderName, HeaderValue},
};
use authentication_app::{
    RequestContext,
    protection::{AttemptWindow, LimitStatus, WindowStatus, whole_seconds},
};
use authentication_domain::{
    accounts::{AccountId, Identifier},
    protection::RouteClass,
};

use super::client;
use crate::{
    Problem, ProblemCode,
    routes::{Counted, RouteSpec, Sends},
    state::state_of,
};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The windows in which this call was counted, for its headers.
#[derive(Default)]
struct CountedWindows(Vec<WindowStatus>);

/// Counts the call if its class is counted: by the client's address, and by the account if one is signed in.
pub(crate) async fn count(
    request: &HttpRequest,
    class: Option<RouteClass>,
    account: Option<AccountId>,
) -> Result<(), Problem> {
    let Some(class) = class else { return Ok(()) };
    let state = state_of(request)?;
    let address = client::address_of(request, &state.config);
    let counted = Some(address).filter(|address| !state.config.is_exempt(*address));
    note(
        request,
        state.limits.count_call(class, counted, account).await,
    )
}

/// Counts a call by account after it was counted by address.
pub(super) async fn count_account(
    request: &HttpRequest,
    class: Option<RouteClass>,
    account: AccountId,
) -> Result<(), Problem> {
    let Some(class) = class else { return Ok(()) };
    let limits = &state_of(request)?.limits;
    note(request, limits.count_call(class, None, Some(account)).await)
}

/// Counts a call of a route that sends messages, in a separate window for route and account.
pub(super) async fn count_sending(
    request: &HttpRequest,
    account: AccountId,
) -> Result<(), Problem> {
    let Some(spec) = RouteSpec::of(request) else {
        return Ok(());
    };
    let Sends::ByAccount(quota) = spec.sends else {
        return Ok(());
    };
    let route = format!("{}:{}", spec.method.as_http(), spec.path);
    let limits = &state_of(request)?.limits;
    note(request, limits.count_sending(&route, quota, account).await)
}

/// Keeps the status for the headers; refuses the call when a window is exhausted.
fn note(request: &HttpRequest, status: LimitStatus) -> Result<(), Problem> {
    let refused = status.refused().map(|window| window.outcome.reset_after);
    let mut extensions = request.extensions_mut();
    match extensions.get_mut::<CountedWindows>() {
        Some(counted) => counted.0.extend(status.windows),
        None => {
            extensions.insert(CountedWindows(status.windows));
        }
    }
    match refused {
        Some(wait) => Err(Problem::of(ProblemCode::RateLimited).retry_after(wait)),
        None => Ok(()),
    }
}

/// Writes the headers of all windows in which the call was counted. A 429 for another reason (a lock, a cool-down)
/// is reported in the same form: no calls for `refused_for` seconds.
pub(crate) fn write_headers(
    request: &HttpRequest,
    refused_for: Option<u32>,
    headers: &mut HeaderMap,
) {
    let extensions = request.extensions();
    let windows = extensions
        .get::<CountedWindows>()
        .map_or(&[][..], |counted| &counted.0);
    let (mut policy, mut standing) = (String::new(), String::new());
    for window in windows {
        let (calls, length) = (window.quota.calls, whole_seconds(window.quota.window));
        let (left, reset) = (
            window.outcome.remaining,
            whole_seconds(window.outcome.reset_after),
        );
        append(&mut policy, window.name, ('q', calls), ('w', length));
        append(&mut standing, window.name, ('r', left), ('t', reset));
    }
    let all_allowed = windows.iter().all(|window| window.outcome.allowed);
    if let Some(wait) = refused_for.filter(|_| all_allowed) {
        append(&mut policy, "attempts", ('q', 1), ('w', wait));
        append(&mut standing, "attempts", ('r', 0), ('t', wait));
    }
    for (name, text) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, standing)] {
        if let Ok(value) = HeaderValue::try_from(text)
            && !value.is_empty()
        {
            headers.insert(name, value);
        }
    }
}

fn append(list: &mut String, name: &str, one: (char, u32), two: (char, u32)) {
    let comma = if list.is_empty() { "" } else { ", " };
    // Writing to a `String` cannot fail.
    let _ = write!(
        list,
        "{comma}\"{name}\";{}={};{}={}",
        one.0, one.1, two.0, two.1
    );
}

/// Extracts the counter of calls per identifier, in the class of the route.
pub(crate) struct SubjectLimit(HttpRequest);

impl SubjectLimit {
    /// Counts the call, whether or not an account has the identifier. A call with a device token is counted by the
    /// token instead. The returned window is counted for the identifier as soon as the token turns out not to
    /// belong to the identifier's owner.
    pub(crate) async fn count(
        &self,
        identifier: &Identifier,
        context: &RequestContext,
    ) -> Result<Option<Arc<AttemptWindow>>, Problem> {
        let Some(Counted::By(class)) = RouteSpec::of(&self.0).map(|spec| spec.counted) else {
            return Ok(None);
        };
        let limits = &state_of(&self.0)?.limits;
        let Some(token) = &context.device_token else {
            note(&self.0, limits.count_identifier(class, identifier).await)?;
            return Ok(None);
        };
        note(&self.0, limits.count_device(class, identifier, token).await)?;
        Ok(Some(Arc::new(AttemptWindow::new(limits.clone(), class))))
    }

    /// Keeps the status of a window that was counted in the meantime; refuses the call when it is exhausted.
    pub(crate) fn note(&self, window: Option<&AttemptWindow>) -> Result<(), Problem> {
        window.map_or(Ok(()), |window| note(&self.0, window.status()))
    }
}

impl FromRequest for SubjectLimit {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(request.clone())))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use authentication_app::ports::ThrottleOutcome;
    use authentication_domain::protection::Quota;
    use time::Duration;

    use super::*;

    fn window(name: &'static str, calls: u32, remaining: u32, allowed: bool) -> WindowStatus {
        WindowStatus {
            name,
            quota: Quota {
                calls,
                window: Duration::MINUTE,
            },
            outcome: ThrottleOutcome {
                allowed,
                remaining,
                reset_after: Duration::milliseconds(29_100),
            },
        }
    }

    fn headers_after(
        windows: Vec<WindowStatus>,
        refused_for: Option<u32>,
    ) -> (Result<(), Problem>, Option<String>, Option<String>) {
        let request = TestRequest::default().to_http_request();
        let noted = note(&request, LimitStatus { windows });
        let mut headers = HeaderMap::new();
        write_headers(&request, refused_for, &mut headers);
        let text = |name| {
            headers
                .get(name)
                .map(|value: &HeaderValue| value.to_str().unwrap().to_owned())
        };
        (noted, text(RATE_LIMIT_POLICY), text(RATE_LIMIT))
    }

    #[test]
    fn a_counted_call_is_told_where_it_stands() {
        let windows = vec![
            window("address", 60, 59, true),
            window("subject", 20, 3, true),
        ];
        let (noted, policy, standing) = headers_after(windows, None);
        assert!(noted.is_ok());
        assert_eq!(
            policy.as_deref(),
            Some(r#""address";q=60;w=60, "subject";q=20;w=60"#)
        );
        assert_eq!(
            standing.as_deref(),
            Some(r#""address";r=59;t=30, "subject";r=3;t=30"#)
        );
    }

    #[test]
    fn a_used_up_window_refuses_and_says_when_to_come_back() {
        let (noted, _, standing) = headers_after(vec![window("address", 60, 0, false)], None);
        let problem = noted.unwrap_err();
        assert_eq!(problem.code(), ProblemCode::RateLimited);
        assert_eq!(problem.retry_after_seconds(), Some(30));
        assert_eq!(standing.as_deref(), Some(r#""address";r=0;t=30"#));
    }

    #[test]
    fn an_uncounted_call_has_no_headers() {
        assert_eq!(headers_after(Vec::new(), None).1, None);
    }

    #[test]
    fn a_lock_says_the_same_in_the_same_form() {
        let (_, policy, standing) = headers_after(vec![window("address", 60, 59, true)], Some(900));
        assert_eq!(
            policy.as_deref(),
            Some(r#""address";q=60;w=60, "attempts";q=1;w=900"#)
        );
        assert_eq!(
            standing.as_deref(),
            Some(r#""address";r=59;t=30, "attempts";r=0;t=900"#)
        );
    }
}
