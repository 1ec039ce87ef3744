//! The state of a sign-in: complete, or waiting for a second factor.

use actix_web::{HttpResponse, http::StatusCode};
use authentication_app::sessions::{SecondFactorRequired, SignInAnswer};
use authentication_domain::mfa::SecondFactor;
use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{Array, ArrayBuilder, ObjectBuilder, Type},
};

use super::SignedInView;
use crate::answer;

/// The answer of a route that signs in. `status` tells which of the two it is.
#[derive(Serialize, ToSchema)]
#[schema(as = SignIn)]
#[serde(untagged)]
pub(crate) enum SignInView {
    Authenticated(Box<SignedInView>),
    SecondFactorRequired(SecondFactorView),
}

/// A sign-in that is waiting for its second factor.
#[derive(Serialize, ToSchema)]
#[schema(as = SecondFactorRequired)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecondFactorView {
    status: PendingStatus,
    /// Send it with the second factor. Valid for 10 minutes.
    #[schema(example = "5f0c1e9a7b3d4f2688aa01c2d3e4f506")]
    challenge_id: String,
    /// What may be proven.
    #[schema(schema_with = factor_names)]
    methods: Vec<SecondFactor>,
}

/// The state of a sign-in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum PendingStatus {
    /// One of `methods` is to be proven.
    MfaRequired,
}

impl From<SignInAnswer> for SignInView {
    fn from(answer: SignInAnswer) -> Self {
        match answer {
            SignInAnswer::Authenticated(it) => Self::Authenticated(Box::new((*it).into())),
            SignInAnswer::SecondFactorRequired(it) => Self::SecondFactorRequired(it.into()),
        }
    }
}

impl From<SecondFactorRequired> for SecondFactorView {
    fn from(required: SecondFactorRequired) -> Self {
        Self {
            status: PendingStatus::MfaRequired,
            challenge_id: required.challenge_id.expose().to_owned(),
            methods: required.methods,
        }
    }
}

/// The answer of a sign-in: with `status` and `message` when it is complete, with 200 while it is not.
pub(crate) fn sign_in(
    status: StatusCode,
    message: &'static str,
    answer: SignInAnswer,
) -> HttpResponse {
    let (status, message) = match &answer {
        SignInAnswer::Authenticated(_) => (status, message),
        SignInAnswer::SecondFactorRequired(_) => (StatusCode::OK, "Second factor required"),
    };
    answer::with_status(status, message, SignInView::from(answer))
}

/// The names of second factors.
pub(crate) fn factor_names() -> Array {
    let names = SecondFactor::ALL.map(SecondFactor::as_str);
    let factor = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(names))
        .build();
    ArrayBuilder::new().items(factor).build()
}
