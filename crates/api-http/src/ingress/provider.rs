//! Names of providers in paths.

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use authentication_app::federation::Federation;
use authentication_domain::federation::ProviderName;

use crate::{Problem, ProblemCode, state::state_of};

/// Extracts the provider `{name}` of the path, or Google if the path has none.
pub(crate) struct AtProvider(Option<Federation>);

impl AtProvider {
    /// The provider. A malformed or unknown name is a 404. To be called after the rest of the request was parsed,
    /// whose refusals take precedence.
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
