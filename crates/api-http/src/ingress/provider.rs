//! Names of providers in paths.

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use authentication_app::federation::Federation;
use authentication_domain::federation::ProviderName;

use crate::{Problem, ProblemCode, state::state_of};

/// Extracts the provider that `{name}` of the path names, and Google where a path names none.
pub(crate) struct AtProvider(Option<Federation>);

impl AtProvider {
    /// The provider. What is no name, or nobody's here, names nothing, so it is a 404 like any other; asked once the
    /// rest of the request has been read, which may be worse.
    pub(crate) fn provider(self) -> Result<Federation, Problem> {
        self.0.ok_or_else(|| Problem::of(ProblemCode::NotFound))
    }
}

impl FromRequest for AtProvider {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(named(request))))
    }
}

fn named(request: &HttpRequest) -> Option<Federation> {
    let name = match request.match_info().get("name") {
        Some(text) => ProviderName::parse(text).ok()?,
        None => ProviderName::GOOGLE,
    };
    let state = state_of(request).ok()?;
    state.providers.named(name).cloned()
}
