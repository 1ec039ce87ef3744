//! Authentication for requests that invalidate their own token, and may be repeated with it.

use std::rc::Rc;

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use authentication_app::{IdempotentRequest, Repeatable, ports::SessionSnapshot};
use futures_util::future::LocalBoxFuture;

use super::{
    authenticated::{authenticate, demand_recent, outdated},
    idempotency::has_idempotency_key,
};
use crate::Problem;

/// The caller of a request that ends its own token ([`Repeatable`]): for the first time, or as a repetition.
pub(crate) struct Repeater {
    session: Rc<SessionSnapshot>,
    is_outdated: bool,
}

impl Repeater {
    /// The session, with its account.
    pub(crate) fn session(&self) -> &SessionSnapshot {
        &self.session
    }

    /// The repeatable request, with the idempotency key that it came with.
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

/// A [`Repeater`] with a recent proof of identity, which is not required to get an earlier answer again.
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

/// Like [`authenticate`], but also accepts an outdated token with an idempotency key, so that the client can get an
/// earlier answer again.
pub(crate) async fn authenticate_repeater(request: &HttpRequest) -> Result<(), Problem> {
    match authenticate(request).await {
        Err(_) if has_idempotency_key(request) && outdated(request).is_some() => Ok(()),
        done => done.map(|_| ()),
    }
}
