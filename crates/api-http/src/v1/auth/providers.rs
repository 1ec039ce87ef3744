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

/// An ID token of Google's is some 1,200 characters; one with every claim there is, not much more.
pub(crate) const LONGEST_ID_TOKEN: usize = 8_192;

/// A provider through which people sign in here.
#[derive(Serialize, ToSchema)]
#[schema(as = Provider)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderItem {
    /// In the paths of the other routes.
    #[schema(example = "google")]
    name: String,
    /// For a button.
    #[schema(example = "Google")]
    label: String,
    /// Whether people can be sent there (`POST /auth/providers/{name}/authorize`). An ID token can be brought to each.
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

/// The providers through which people sign in here.
///
/// In the order of their names, all on one page; none where none is configured.
#[utoipa::path(get, path = "/api/v1/auth/providers", operation_id = "list_providers", tag = "providers",
    responses((status = 200, description = "All of them.", body = Answer<Items<ProviderItem>>)))]
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
    /// Counts once, for ten minutes.
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

/// What the provider gave the client.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "id_token": "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0.e30.c2ln", "role": "client" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderTokenBody {
    /// With a nonce of `POST /auth/providers/{name}/options`.
    #[garde(skip)]
    #[schema(value_type = String, min_length = 1, max_length = 8192)]
    id_token: SecretString,
    /// `client` (the default) or `vendor`: what the person is to be if they have no account yet.
    #[garde(length(chars, max = 20))]
    #[schema(pattern = "^(client|vendor)$", example = "client")]
    role: Option<String>,
}

/// Where the person is to come back to.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "redirect_uri": "https://www.example.com/auth/google" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthorizeBody {
    /// One of the provider's `redirect_uris`, to the letter.
    #[garde(length(chars, min = 1, max = 2048))]
    #[schema(min_length = 1, max_length = 2048)]
    redirect_uri: String,
}

/// Where to send the person, and what to keep.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthorizeView {
    /// The provider's page.
    #[schema(example = "https://accounts.google.com/o/oauth2/v2/auth?client_id=…")]
    authorization_url: String,
    /// Comes back with the person; the same as in the URL.
    #[schema(example = "5f0c1e9a7b3d4f2688aa01c2d3e4f506")]
    state: String,
    /// Keep it where only this browser has it (a cookie with `HttpOnly`), and bring it to the callback.
    #[schema(example = "88aa01c2d3e4f5065f0c1e9a7b3d4f26")]
    binding: String,
}

/// What the person came back with.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "code": "4/0AX4XfWh", "state": "5f0c1e9a7b3d4f2688aa01c2d3e4f506", "binding": "88aa01c2d3e4f5065f0c1e9a7b3d4f26" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct CallbackBody {
    /// The `code` of the query.
    #[garde(skip)]
    #[schema(value_type = String, min_length = 1, max_length = 2048)]
    code: SecretString,
    /// The `state` of the query.
    #[garde(length(chars, min = 1, max = 128))]
    #[schema(pattern = "^[!-~]{1,128}$")]
    state: String,
    /// What `POST /auth/providers/{name}/authorize` answered this browser.
    #[garde(length(chars, min = 1, max = 128))]
    #[schema(pattern = "^[!-~]{1,128}$")]
    binding: String,
    /// The `iss` of the query, if there is one (RFC 9207).
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
/// For clients that show the provider's own button: hand the nonce to its library, and the ID token that comes
/// back to `POST /auth/providers/{name}`; it counts at no other provider, and links nothing
/// (`POST /me/providers/{name}/options`). With an `X-Device-Token` the nonce counts only with the same one.
#[utoipa::path(post, path = "/api/v1/auth/providers/{name}/options", operation_id = "provider_options", tag = "providers",
    params(("name" = String, Path, description = "Which provider."), ("X-Device-Token" = Option<String>, Header, description = "The `device_token` of an earlier sign-in.")),
    responses((status = 200, description = "A nonce.", body = Answer<NonceView>)))]
pub(crate) async fn options(
    at: AtProvider,
    Context(context): Context,
) -> Result<HttpResponse, Problem> {
    let federation = at.provider()?;
    let nonce = to_the_end(async move { federation.issue_nonce(&context).await }).await?;
    Ok(answer::ok("Nonce issued", NonceView::of(&nonce)))
}

/// Sign in with an ID token of a provider.
///
/// The first time an account is made, with the verified address for its identifier and no password. An address
/// that belongs to an account already is 409 `account_exists_link_required`: sign in to that account, and link
/// the provider with `POST /me/providers/{name}`.
#[utoipa::path(post, path = "/api/v1/auth/providers/{name}", operation_id = "sign_in_with_provider", tag = "providers",
    params(("name" = String, Path, description = "Which provider."), ("X-Device-Token" = Option<String>, Header, description = "The `device_token` of an earlier sign-in.")),
    request_body = ProviderTokenBody,
    responses(
        (status = 200, description = "Signed in, or a second factor is asked for.", body = Answer<SignInView>),
        (status = 201, description = "The account exists, and its owner is signed in.", body = Answer<SignInView>),
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

/// Begin a sign-in at a provider.
///
/// For clients that send the person there. State, nonce and PKCE verifier stay with the service.
#[utoipa::path(post, path = "/api/v1/auth/providers/{name}/authorize", operation_id = "provider_authorize",
    tag = "providers", params(("name" = String, Path, description = "Which provider.")),
    request_body = AuthorizeBody,
    responses((status = 200, description = "Where to send the person.", body = Answer<AuthorizeView>)))]
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

/// Complete a sign-in at a provider.
///
/// A state that was not begun by this client at this provider, or was used before, is 400 `invalid_state`, and the
/// provider is not asked. After a 503 the same call may be repeated; if that is 400 or 401, the flow is over: begin again.
#[utoipa::path(post, path = "/api/v1/auth/providers/{name}/callback", operation_id = "provider_callback", tag = "providers",
    params(("name" = String, Path, description = "Which provider."), ("X-Device-Token" = Option<String>, Header, description = "The `device_token` of an earlier sign-in.")),
    request_body = CallbackBody,
    responses(
        (status = 200, description = "Signed in, or a second factor is asked for.", body = Answer<SignInView>),
        (status = 201, description = "The account exists, and its owner is signed in.", body = Answer<SignInView>),
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

/// A secret text that is not empty and not longer than it can be.
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
