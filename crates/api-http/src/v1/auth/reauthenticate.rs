//! `POST /auth/reauthenticate`

use actix_web::HttpResponse;
use authentication_app::{
    Repeatable, RequestContext,
    federation::Federation,
    passkeys::PasskeySignIn,
    sessions::{Attempt, Reauthentication, TokenSet},
};
use authentication_domain::federation::ProviderName;
use garde::Validate;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    FieldError, Problem,
    answer::{self, Answer},
    ingress::{
        CodeMethod, Context, RepeatableJson, Repeater, opaque_token, plain_password, second_proof,
    },
    state::{ApiState, State},
    to_the_end::to_the_end,
    v1::{
        auth::providers::{LONGEST_ID_TOKEN, bounded},
        passkey_answers::AuthenticationCredentialBody,
        views::TokensView,
    },
};

/// Exactly one of: the password; a code with its method; a passkey response to `POST /auth/passkey/options`; an
/// ID token for the linked account at a provider.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "method": "totp", "code": "493817" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct ReauthenticateBody {
    #[garde(skip)]
    #[schema(value_type = Option<String>, format = Password, min_length = 1, max_length = 256)]
    password: Option<SecretString>,
    #[garde(skip)]
    method: Option<CodeMethod>,
    /// Six digits, or a recovery code as shown.
    #[garde(skip)]
    #[schema(value_type = Option<String>, min_length = 6, max_length = 64)]
    code: Option<SecretString>,
    #[garde(length(chars, max = 128))]
    #[schema(max_length = 128)]
    challenge_id: Option<String>,
    #[garde(dive)]
    credential: Option<AuthenticationCredentialBody>,
    /// For the linked account at `provider`, with a nonce from `POST /me/providers/{name}/options`.
    #[garde(skip)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 8192)]
    id_token: Option<SecretString>,
    /// The provider of the ID token; `google` by default.
    #[garde(length(chars, max = 24))]
    #[schema(max_length = 24, pattern = "^[a-z][a-z0-9_-]*$", example = "google")]
    provider: Option<String>,
}

/// The session's new tokens. The previous ones are no longer valid.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReauthenticatedView {
    tokens: TokensView,
}

/// Confirm it's you again.
///
/// Step-up for operations that require a recent sign-in. The password or an ID token renews the first factor, a
/// code the second factor, a passkey both. The session continues with the tokens in the answer; its previous
/// access and refresh tokens are no longer valid.
#[utoipa::path(post, path = "/api/v1/auth/reauthenticate", operation_id = "reauthenticate", tag = "sign-in",
    params(("Idempotency-Key" = Option<String>, Header, pattern = "^[ -~]{1,255}$",
        description = "The same key and body get the same answer for 24 hours, even with the previous access token.")),
    request_body = ReauthenticateBody,
    responses((status = 200, description = "Confirmed.", body = Answer<ReauthenticatedView>)))]
pub(crate) async fn reauthenticate(
    state: State,
    who: Repeater,
    Context(context): Context,
    RepeatableJson(mut body, request): RepeatableJson<ReauthenticateBody>,
) -> Result<HttpResponse, Problem> {
    let repeatable = who.repeatable(request);
    if let Some(id_token) = body.id_token.take() {
        if !body.is_empty() {
            return Err(exactly_one_proof());
        }
        let provider = body.provider.as_deref();
        let federation = federation_of(&state, provider).map_err(Problem::invalid_field)?;
        return by_provider(state, who, repeatable, context, (federation, id_token)).await;
    }
    let proof = body.into_proof()?;
    let tokens = to_the_end(async move {
        let sessions = &state.sessions;
        sessions
            .reauthenticate(who.session(), &proof, repeatable, &context)
            .await
    })
    .await?;
    Ok(confirmed(tokens))
}

async fn by_provider(
    state: State,
    who: Repeater,
    repeatable: Repeatable,
    context: RequestContext,
    (federation, id_token): (Federation, SecretString),
) -> Result<HttpResponse, Problem> {
    let id_token =
        bounded("id_token", id_token, LONGEST_ID_TOKEN).map_err(Problem::invalid_field)?;
    let tokens = to_the_end(async move {
        let sessions = &state.sessions;
        let attempt = Attempt {
            who: who.session(),
            repeatable,
            ctx: &context,
        };
        sessions
            .reauthenticate_by_provider(&federation, attempt, &id_token)
            .await
    })
    .await?;
    Ok(confirmed(tokens))
}

/// The provider of this name. Without a name it is Google, for clients from before there were other providers.
fn federation_of(state: &ApiState, name: Option<&str>) -> Result<Federation, FieldError> {
    let name = name.map_or(Ok(ProviderName::GOOGLE), ProviderName::parse);
    let named = name.ok().and_then(|name| state.providers.named(name));
    named.cloned().ok_or_else(|| {
        let field = "provider";
        FieldError::new(field, "not_offered", "this provider isn't configured")
    })
}

fn confirmed(tokens: TokenSet) -> HttpResponse {
    let data = ReauthenticatedView {
        tokens: tokens.into(),
    };
    answer::ok("Identity confirmed", data)
}

impl ReauthenticateBody {
    const fn is_empty(&self) -> bool {
        self.password.is_none()
            && self.method.is_none()
            && self.code.is_none()
            && self.challenge_id.is_none()
            && self.credential.is_none()
    }

    fn into_proof(self) -> Result<Reauthentication, Problem> {
        if self.provider.is_some() {
            return Err(exactly_one_proof());
        }
        let passkey = match (self.challenge_id, self.credential) {
            (None, None) => None,
            (Some(challenge_id), Some(credential)) => Some((challenge_id, credential)),
            _ => return Err(exactly_one_proof()),
        };
        match (self.password, self.method, self.code, passkey) {
            (None, None, None, Some((challenge_id, credential))) => {
                let challenge = opaque_token("challenge_id", challenge_id);
                return Ok(Reauthentication::Passkey(PasskeySignIn {
                    challenge: challenge.map_err(Problem::invalid_field)?,
                    answer: credential.into_answer()?,
                }));
            }
            (Some(password), None, None, None) => {
                let password = plain_password("password", &password);
                password.map(Reauthentication::Password)
            }
            (None, Some(CodeMethod::Otp), Some(_), None) => Err(FieldError::new(
                "method",
                "not_offered",
                "use your password, an authenticator app, a recovery code, a passkey or an ID token",
            )),
            (None, Some(method), Some(code), None) => {
                second_proof(method, code).map(Reauthentication::SecondFactor)
            }
            _ => return Err(exactly_one_proof()),
        }
        .map_err(Problem::invalid_field)
    }
}

fn exactly_one_proof() -> Problem {
    Problem::invalid_field(FieldError::new(
        "password",
        "exactly_one_proof",
        "send exactly one of: password; method and code; challenge_id and credential; id_token",
    ))
}
