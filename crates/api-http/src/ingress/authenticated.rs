//! Authentication: from the bearer token to a live session.

use std::{marker::PhantomData, rc::Rc};

use actix_web::{
    FromRequest, HttpMessage as _, HttpRequest,
    dev::Payload,
    http::header::{AUTHORIZATION, HeaderMap},
};
use authentication_app::{
    ports::SessionSnapshot,
    sessions::{Bearer, ProofMethod, Recognised},
};
use authentication_domain::{protection::RouteClass, sessions::SessionId};
use common::access::{Denial, Guard, Principal};
use futures_util::future::LocalBoxFuture;

use super::rate_limit;
use crate::{
    Problem, ProblemCode,
    routes::{Counted, RouteSpec},
    state::state_of,
};

/// Extracts the live session of the bearer token, and counts the call against the limit of its account.
///
/// Routes that are [`crate::routes::Access::SignedIn`] in the table are authenticated before anything of the
/// request is parsed, even if their handler does not use this extractor; using it costs nothing more.
pub struct Authenticated {
    snapshot: Rc<SessionSnapshot>,
    principal: Principal,
}

impl Authenticated {
    /// The session, with its account.
    pub fn session(&self) -> &SessionSnapshot {
        &self.snapshot
    }

    /// The authenticated principal.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    async fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let snapshot = authenticate(request).await?;
        let principal = state_of(request)?.sessions.principal(&snapshot);
        Ok(Self {
            snapshot,
            principal,
        })
    }
}

impl FromRequest for Authenticated {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Self::of(&request).await })
    }
}

/// An [`Authenticated`] with a recent proof of identity: for operations that a stolen session must not perform
/// (OWASP ASVS 5.0 V7.5.1).
pub struct RecentlyAuthenticated(Authenticated);

impl RecentlyAuthenticated {
    /// The session, with its account.
    pub fn session(&self) -> &SessionSnapshot {
        self.0.session()
    }
}

impl FromRequest for RecentlyAuthenticated {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let who = Authenticated::of(&request).await?;
            demand_recent(&request, who.session()).await?;
            Ok(Self(who))
        })
    }
}

/// An [`Authenticated`] that satisfies the access guard `G`. The handler's signature states the requirement.
///
/// ```
/// use api_http::{Guarded, Problem};
/// use common::access::{AnyOf, IsAdmin, IsSupport};
///
/// async fn look_at_accounts(who: Guarded<AnyOf<IsAdmin, IsSupport>>) -> Result<String, Problem> {
///     Ok(who.principal().account.to_string())
/// }
/// ```
pub struct Guarded<G> {
    who: Authenticated,
    guard: PhantomData<G>,
}

impl<G> Guarded<G> {
    /// The session, with its account.
    pub fn session(&self) -> &SessionSnapshot {
        self.who.session()
    }

    /// The authenticated principal.
    pub fn principal(&self) -> &Principal {
        self.who.principal()
    }
}

impl<G: Guard + Default + 'static> FromRequest for Guarded<G> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let who = Authenticated::of(&request).await?;
            G::default()
                .check(who.principal())
                .await
                .map_err(|denial| {
                    let code = match denial {
                        Denial::NotAllowed => ProblemCode::Forbidden,
                        Denial::SecondFactorRequired => ProblemCode::SecondFactorRequired,
                    };
                    Problem::of(code).caused_by(denial)
                })?;
            Ok(Self {
                who,
                guard: PhantomData,
            })
        })
    }
}

/// A session whose token was issued before its latest proof of identity.
struct Outdated(Rc<SessionSnapshot>);

/// Refuses a session without a recent proof of identity, and lists the missing proofs.
pub(crate) async fn demand_recent(
    request: &HttpRequest,
    session: &SessionSnapshot,
) -> Result<(), Problem> {
    let state = state_of(request)?;
    let sessions = &state.sessions;
    let missing = sessions.missing_for_recent(session);
    if missing.is_empty() {
        return Ok(());
    }
    let providers = &state.providers;
    let ways = sessions.ways_to_prove(session, missing, providers).await?;
    let methods = ways.into_iter().map(ProofMethod::as_str).collect();
    Err(Problem::of(ProblemCode::ReauthenticationRequired).with_methods(methods))
}

/// The session of a request whose token was issued before its latest proof of identity.
pub(super) fn outdated(request: &HttpRequest) -> Option<Rc<SessionSnapshot>> {
    let extensions = request.extensions();
    extensions.get::<Outdated>().map(|it| Rc::clone(&it.0))
}

/// The session of the request, even if its token is outdated.
pub(crate) fn session_of(request: &HttpRequest) -> Option<SessionId> {
    let known = || request.extensions().get().map(Rc::clone);
    let session: Option<Rc<SessionSnapshot>> = outdated(request).or_else(known);
    session.map(|it| it.session)
}

/// Authenticates the request's token, and counts the call. The result is kept for the rest of the request.
pub(crate) async fn authenticate(request: &HttpRequest) -> Result<Rc<SessionSnapshot>, Problem> {
    if let Some(known) = request.extensions().get::<Rc<SessionSnapshot>>() {
        return Ok(Rc::clone(known));
    }
    if outdated(request).is_some() {
        return Err(Problem::of(ProblemCode::InvalidToken));
    }
    let bearer = counted(request).await?;
    let snapshot = Rc::new(bearer.session);
    if bearer.is_outdated {
        request.extensions_mut().insert(Outdated(snapshot));
        return Err(Problem::of(ProblemCode::InvalidToken));
    }
    rate_limit::count_sending(request, snapshot.owner.account.id).await?;
    request.extensions_mut().insert(Rc::clone(&snapshot));
    Ok(snapshot)
}

/// A session that this node has cached is counted by address and account in one round trip. Any other token is
/// counted by address before the shared cache and the store are queried, and by account only if its session is
/// live, so that the holder of an old token cannot use up its owner's limit.
async fn counted(request: &HttpRequest) -> Result<Bearer, Problem> {
    let sessions = &state_of(request)?.sessions;
    let recognised = match bearer_token(request.headers()) {
        Ok(token) => sessions.recognise(token).await.map_err(Problem::from),
        Err(refusal) => Err(refusal),
    };
    match recognised {
        Ok(Recognised::Live(bearer)) => {
            let account = bearer.session.owner.account.id;
            rate_limit::count(request, class_of(request), Some(account)).await?;
            Ok(bearer)
        }
        Ok(Recognised::Signed(claims)) => {
            rate_limit::count(request, class_of(request), None).await?;
            let bearer = sessions.look_up(&claims).await?;
            let account = bearer.session.owner.account.id;
            rate_limit::count_account(request, class_of(request), account).await?;
            Ok(bearer)
        }
        Err(refusal) => {
            rate_limit::count(request, class_of(request), None).await?;
            Err(refusal)
        }
    }
}

/// A route of another bounded context may be missing in this table; it counts as signed in.
fn class_of(request: &HttpRequest) -> Option<RouteClass> {
    match RouteSpec::of(request).map(|spec| spec.counted) {
        Some(Counted::By(class)) => Some(class),
        Some(_) => None,
        None => Some(RouteClass::SignedIn),
    }
}

/// The token is accepted in the header only (RFC 6750 §2.1).
fn bearer_token(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut sent = headers.get_all(AUTHORIZATION);
    let value = sent
        .next()
        .ok_or_else(|| Problem::of(ProblemCode::Unauthenticated))?;
    let invalid = || Problem::of(ProblemCode::InvalidToken);
    let text = value.to_str().map_err(|_| invalid())?;
    // One space or more (RFC 9110 §11.4).
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    let token = token.trim_start_matches(' ');
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::of(ProblemCode::Unauthenticated));
    }
    if sent.next().is_some() || token.is_empty() {
        return Err(invalid());
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use common::access::{AnyOf, AuthenticationMethod, IsAdmin, IsSupport, Proofs, Role, Roles};
    use testkit::{
        builders::{account_record, id},
        clock::START,
    };

    use super::*;
    use crate::{state::State, test_support::TestState};
    use std::sync::Arc;

    fn signed_in_as(state: &TestState, roles: Roles, proofs: Proofs) -> HttpRequest {
        let mut owner = account_record();
        owner.account.roles = roles;
        let snapshot = SessionSnapshot {
            session: id(),
            owner,
            proofs,
            proven_generation: 0,
            presented_generation: 0,
            idle_deadline: START,
            absolute_deadline: START,
        };
        let state = State::from(Arc::clone(&state.state));
        let request = TestRequest::default().app_data(state).to_http_request();
        request.extensions_mut().insert(Rc::new(snapshot));
        request
    }

    #[actix_web::test]
    async fn a_guard_in_the_signature_lets_pass_whom_it_should() {
        type Staff = Guarded<AnyOf<IsAdmin, IsSupport>>;
        let state = TestState::new().await;
        let one = Proofs::only(AuthenticationMethod::Password, START);
        let two = one.and(AuthenticationMethod::Totp, START);
        let support = signed_in_as(&state, Role::Support.into(), two);
        let staff = Staff::extract(&support).await.unwrap();
        assert_eq!(staff.principal().account, staff.session().owner.account.id);
        let lacking = signed_in_as(&state, Role::Support.into(), one);
        let refusal = Staff::extract(&lacking).await.err().map(|it| it.code());
        assert_eq!(refusal, Some(ProblemCode::SecondFactorRequired));
        let client = signed_in_as(&state, Role::Client.into(), two);
        let refusal = Staff::extract(&client).await.err();
        assert_eq!(refusal.map(|it| it.code()), Some(ProblemCode::Forbidden));
    }

    #[actix_web::test]
    async fn who_signed_in_long_ago_is_asked_again() {
        let state = TestState::new().await;
        let proofs = Proofs::only(AuthenticationMethod::Password, START);
        let request = signed_in_as(&state, Role::Client.into(), proofs);
        let who = RecentlyAuthenticated::extract(&request).await;
        assert!(who.is_ok(), "the clock stands where they signed in");
        let long_ago = SessionSnapshot {
            proofs: Proofs::only(
                AuthenticationMethod::Password,
                START - time::Duration::minutes(11),
            ),
            ..who.unwrap().session().clone()
        };
        request.extensions_mut().insert(Rc::new(long_ago));
        let refusal = RecentlyAuthenticated::extract(&request).await.err();
        let refusal = refusal.map(|it| it.code());
        assert_eq!(refusal, Some(ProblemCode::ReauthenticationRequired));
    }

    fn token(values: &[&str]) -> Result<String, ProblemCode> {
        let request = values
            .iter()
            .fold(TestRequest::default(), |request, value| {
                request.append_header((AUTHORIZATION, *value))
            })
            .to_http_request();
        bearer_token(request.headers())
            .map(str::to_owned)
            .map_err(|problem| problem.code())
    }

    #[test]
    fn one_bearer_token_is_read_from_the_header() {
        assert_eq!(token(&["Bearer abc.def"]), Ok("abc.def".to_owned()));
        assert_eq!(token(&["bearer abc"]), Ok("abc".to_owned()));
        assert_eq!(token(&["Bearer   abc"]), Ok("abc".to_owned()));
        for nobody in [&[][..], &["Basic abc"], &["abc"], &[""]] {
            assert_eq!(token(nobody), Err(ProblemCode::Unauthenticated));
        }
        for broken in [&["Bearer"][..], &["Bearer  "], &["Bearer a", "Bearer b"]] {
            assert_eq!(token(broken), Err(ProblemCode::InvalidToken));
        }
    }
}
