//! Who repeats a request that ended the token it came with.

use std::rc::Rc;

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use authentication_app::{IdempotentRequest, Repeatable, ports::SessionSnapshot};
use futures_util::future::LocalBoxFuture;

use super::{
    authenticated::{authenticate, demand_recent, outdated},
    idempotency::has_idempotency_key,
};
use crate::Problem;

/// Whoever repeats a request that ended their token ([`Repeatable`]), or makes it for the first time.
pub(crate) struct Repeater {
    session: Rc<SessionSnapshot>,
    is_outdated: bool,
}

impl Repeater {
    /// The session, with its account.
    pub(crate) fn session(&self) -> &SessionSnapshot {
        &self.session
    }

    /// With the key that the request came with.
    pub(crate) const fn repeatable(&self, request: Option<IdempotentRequest>) -> Repeatable {
        Repeatable {
            request,
            token_is_outdated: self.is_outdated,
        }
    }

    async fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let outdated = outdated(request);
        let (session, is_outdated) = match outdated {
            Some(session) => (session, true),
            None => (authenticate(request).await?, false),
        };
        Ok(Self {
            session,
            is_outdated,
        })
    }
}

impl FromRequest for Repeater {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Self::of(&request).await })
    }
}

/// A [`Repeater`] who proved who they are a short while ago, unless they only ask for an earlier answer.
pub(crate) struct RecentRepeater(pub(crate) Repeater);

impl FromRequest for RecentRepeater {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let who = Repeater::of(&request).await?;
            if !who.is_outdated {
                demand_recent(&request, who.session()).await?;
            }
            Ok(Self(who))
        })
    }
}

/// As [`authenticate`]; but with a token from before a proof an earlier answer may still be asked for.
pub(crate) async fn authenticate_repeater(request: &HttpRequest) -> Result<(), Problem> {
    match authenticate(request).await {
        Err(_) if has_idempotency_key(request) && outdated(request).is_some() => Ok(()),
        done => done.map(|_| ()),
    }
}
