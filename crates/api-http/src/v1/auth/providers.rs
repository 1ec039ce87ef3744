//! `GET /auth/providers`, `POST /auth/providers/{name}/options`, `POST /auth/providers/{name}`,
//! `POST /auth/providers/{name}/authorize`, `POST /auth/providers/{name}/callback`.
//!
//! The same handlers serve `/auth/google/…`.

use actix_web::{HttpResponse, http::StatusCode};
use authentication_app::federation::{CompleteFlow, Entered, Federation, SignInWithToken};
use authentication_domain::opaque_token::OpaqueToken;
use garde::Validate;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    FieldError, Problem,
    answer::{self, Answer, Items},
    ingress::{AtProvider, Context, JsonBody, Refusals, opaque_token},
    state::State,
    to_the_end::to_the_end,
    v1::{
        auth::register::role_of,
        views::{self, SignInView},
    },
};

/// The longest ID token in characters. Google's have about 1,200, and not many more with every possible claim.
pub(crate) const LONGEST_ID_TOKEN: usize = 8_192;

/// An identity provider that is available for sign-in.
#[derive(Serialize, ToSchema)]
#[schema(as = Provider)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderItem {
    /// The name to use in paths.
    #[schema(example = "google")]
    name: String,
    /// The text for a button.
    #[schema(example = "Google")]
    label: String,
    /// Whether the redirect flow is available (`POST /auth/providers/{name}/authorize`). ID tokens are accepted from
    /// every provider.
    code_flow: bool,
}

impl ProviderItem {
    fn of(provider: &Federation) -> Self {
        Self {
            name: provider.name().to_string(),
            label: provider.label().to_owned(),
            code_flow: provider.has_code_flow(),
        }
    }
}

/// Identity providers available for sign-in.
///
/// Sorted by name, all on one page; empty if none is configured.
#[utoipa::path(get, path = "/api/v1/auth/providers", operation_id = "list_providers", tag = "providers",
    responses((status = 200, description = "The whole list.", body = Answer<Items<ProviderItem>>)))]
pub(crate) async fn list(state: State) -> HttpResponse {
    let list = Items {
        items: state.providers.iter().map(ProviderItem::of).collect(),
        next_cursor: None,
    };
    answer::ok("Sign-in providers", list)
}

/// A nonce for one ID token.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NonceView {
    /// Valid once, for ten minutes.
    #[schema(example = "5f0c1e9a7b3d4f2688aa01c2d3e4f506")]
    nonce: String,
}

impl NonceView {
    pub(crate) fn of(nonce: &OpaqueToken) -> Self {
        Self {
            nonce: nonce.expose().to_owned(),
        }
    }
}

/// The ID token from the provider.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "id_token": "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0.e30.c2ln", "role": "client" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderTokenBody {
    /// With a nonce from `POST /auth/providers/{name}/options`.
    #[garde(skip)]
    #[schema(value_type = String, min_length = 1, max_length = 8192)]
    id_token: SecretString,
    /// `client` (the default) or `vendor`: the role of a new account.
    #[garde(length(chars, max = 20))]
    #[schema(pattern = "^(client|vendor)$", example = "client")]
    role: Option<String>,
}

/// Where the person returns to.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "redirect_uri": "https://www.example.com/auth/google" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthorizeBody {
    /// Exactly one of the provider's `redirect_uris`.
    #[garde(length(chars, min = 1, max = 2048))]
    #[schema(min_length = 1, max_length = 2048)]
    redirect_uri: String,
}

/// Where to redirect the person, and what to keep.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthorizeView {
    /// The provider's page.
    #[schema(example = "https://accounts.google.com/o/oauth2/v2/auth?client_id=…")]
    authorization_url: String,
    /// Returned by the provider; the same value as in the URL.
    #[schema(example = "5f0c1e9a7b3d4f2688aa01c2d3e4f506")]
    state: String,
    /// Keep it for this browser only (in an `HttpOnly` cookie), and send it with the callback.
    #[schema(example = "88aa01c2d3e4f5065f0c1e9a7b3d4f26")]
    binding: String,
}

/// The parameters from the redirect back.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "code": "4/0AX4XfWh", "state": "5f0c1e9a7b3d4f2688aa01c2d3e4f506", "binding": "88aa01c2d3e4f5065f0c1e9a7b3d4f26" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct CallbackBody {
    /// The `code` query parameter.
    #[garde(skip)]
    #[schema(value_type = String, min_length = 1, max_length = 2048)]
    code: SecretString,
    /// The `state` query parameter.
    #[garde(length(chars, min = 1, max = 128))]
    #[schema(pattern = "^[!-~]{1,128}$")]
    state: String,
    /// The `binding` that `POST /auth/providers/{name}/authorize` returned to this browser.
    #[garde(length(chars, min = 1, max = 128))]
    #[schema(pattern = "^[!-~]{1,128}$")]
    binding: String,
    /// The `iss` query parameter, if present (RFC 9207).
    #[garde(length(chars, max = 2048))]
    #[schema(max_length = 2048)]
    iss: Option<String>,
    /// As for `POST /auth/providers/{name}`.
    #[garde(length(chars, max = 20))]
    #[schema(pattern = "^(client|vendor)$", example = "client")]
    role: Option<String>,
}

/// Get a nonce for an ID token.
///
/// For clients that show the provider's own button: pass the nonce to the provider's library, and the ID token it
/// returns to `POST /auth/providers/{name}`. The nonce is valid for this provider only, and can't be used for
/// linking (see `POST /me/providers/{name}/options`). If it was issued with an `X-Device-Token`, it is valid only
/// with the same one.
#[utoipa::path(post, path = "/api/v1/auth/providers/{name}/options", operation_id = "provider_options", tag = "providers",
    params(("name" = String, Path, description = "The name of the provider."), ("X-Device-Token" = Option<String>, Header, description = "The `device_token` from an earlier sign-in.")),
    responses((status = 200, description = "The nonce.", body = Answer<NonceView>)))]
pub(crate) async fn options(
    at: AtProvider,
    Context(context): Context,
) -> Result<HttpResponse, Problem> {
    let federation = at.provider()?;
    let nonce = to_the_end(async move { federation.issue_nonce(&context).await }).await?;
    Ok(answer::ok("Nonce issued", NonceView::of(&nonce)))
}

/// Sign in with a provider's ID token.
///
/// The first sign-in creates an account without a password; its identifier is the verified email address. If that
/// address already belongs to an account, the answer is 409 `account_exists_link_required`: sign in to that
/// account and link the provider with `POST /me/providers/{name}`.
#[utoipa::path(post, path = "/api/v1/auth/providers/{name}", operation_id = "sign_in_with_provider", tag = "providers",
    params(("name" = String, Path, description = "The name of the provider."), ("X-Device-Token" = Option<String>, Header, description = "The `device_token` from an earlier sign-in.")),
    request_body = ProviderTokenBody,
    responses(
        (status = 200, description = "Signed in, or a second factor is required.", body = Answer<SignInView>),
        (status = 201, description = "Account created, and signed in.", body = Answer<SignInView>),
    ))]
pub(crate) async fn sign_in(
    at: AtProvider,
    Context(context): Context,
    JsonBody(body): JsonBody<ProviderTokenBody>,
) -> Result<HttpResponse, Problem> {
    let federation = at.provider()?;
    let mut refusals = Refusals::default();
    let id_token = refusals.keep(bounded("id_token", body.id_token, LONGEST_ID_TOKEN));
    let role = refusals.keep(role_of(body.role.as_deref()));
    let (Some(id_token), Some(role)) = (id_token, role) else {
        return Err(refusals.into());
    };
    let command = SignInWithToken { id_token, role };
    let entered = to_the_end(async move { federation.sign_in(&command, &context).await }).await?;
    Ok(entered_answer(entered))
}

/// Start a sign-in with a provider.
///
/// For clients that redirect the person to the provider. State, nonce and PKCE verifier stay with the service.
#[utoipa::path(post, path = "/api/v1/auth/providers/{name}/authorize", operation_id = "provider_authorize",
    tag = "providers", params(("name" = String, Path, description = "The name of the provider.")),
    request_body = AuthorizeBody,
    responses((status = 200, description = "Where to redirect the person.", body = Answer<AuthorizeView>)))]
pub(crate) async fn authorize(
    at: AtProvider,
    JsonBody(body): JsonBody<AuthorizeBody>,
) -> Result<HttpResponse, Problem> {
    let federation = at.provider()?;
    let begun = to_the_end(async move { federation.begin_flow(&body.redirect_uri).await }).await?;
    let data = AuthorizeView {
        authorization_url: begun.authorization_url,
        state: begun.state.expose().to_owned(),
        binding: begun.binding.expose().to_owned(),
    };
    Ok(answer::ok("Continue with the provider", data))
}

/// Complete a sign-in with a provider.
///
/// A state that this client didn't start with this provider, or that was already used, is 400 `invalid_state`;
/// the provider isn't called. After a 503, the same call may be repeated. If that returns 400 or 401, the flow
/// has ended: start again.
#[utoipa::path(post, path = "/api/v1/auth/providers/{name}/callback", operation_id = "provider_callback", tag = "providers",
    params(("name" = String, Path, description = "The name of the provider."), ("X-Device-Token" = Option<String>, Header, description = "The `device_token` from an earlier sign-in.")),
    request_body = CallbackBody,
    responses(
        (status = 200, description = "Signed in, or a second factor is required.", body = Answer<SignInView>),
        (status = 201, description = "Account created, and signed in.", body = Answer<SignInView>),
    ))]
pub(crate) async fn callback(
    at: AtProvider,
    Context(context): Context,
    JsonBody(body): JsonBody<CallbackBody>,
) -> Result<HttpResponse, Problem> {
    let federation = at.provider()?;
    let command = body.into_command()?;
    let entered =
        to_the_end(async move { federation.complete_flow(&command, &context).await }).await?;
    Ok(entered_answer(entered))
}

impl CallbackBody {
    fn into_command(self) -> Result<CompleteFlow, Problem> {
        let mut refusals = Refusals::default();
        let code = refusals.keep(bounded("code", self.code, 2_048));
        let state = refusals.keep(opaque_token("state", self.state));
        let binding = refusals.keep(opaque_token("binding", self.binding));
        let role = refusals.keep(role_of(self.role.as_deref()));
        match (code, state, binding, role) {
            (Some(code), Some(state), Some(binding), Some(role)) => Ok(CompleteFlow {
                code,
                state,
                binding,
                issuer: self.iss,
                role,
            }),
            _ => Err(refusals.into()),
        }
    }
}

/// A secret text that is neither empty nor longer than the maximum.
pub(crate) fn bounded(
    field: &'static str,
    sent: SecretString,
    most: usize,
) -> Result<SecretString, FieldError> {
    let length = sent.expose_secret().len();
    if (1..=most).contains(&length) {
        Ok(sent)
    } else {
        Err(FieldError::new(
            field,
            "invalid_format",
            "send it exactly as received",
        ))
    }
}

fn entered_answer(entered: Entered) -> HttpResponse {
    match entered {
        Entered::Registered(answer) => {
            views::sign_in(StatusCode::CREATED, "Registration complete", answer)
        }
        Entered::SignedIn(answer) => views::sign_in(StatusCode::OK, "Login successful", answer),
    }
}
