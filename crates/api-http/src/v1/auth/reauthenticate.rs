//! `POST /auth/reauthenticate`

use actix_web::HttpResponse;
use authentication_app::{
    RequestContext,
    passkeys::PasskeySignIn,
    sessions::{Reauthentication, TokenSet},
};
use garde::Validate;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Authenticated, FieldError, Problem,
    answer::{self, Answer},
    ingress::{CodeMethod, Context, JsonBody, opaque_token, plain_password, second_proof},
    state::State,
    to_the_end::to_the_end,
    v1::{
        auth::google::{LONGEST_ID_TOKEN, bounded},
        passkey_answers::AuthenticationCredentialBody,
        views::TokensView,
    },
};

/// The password; or a code of a second factor with its method; or a passkey, in answer to
/// `POST /auth/passkey/options`; or an ID token of the Google account that is linked.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "method": "totp", "code": "493817" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct ReauthenticateBody {
    #[garde(skip)]
    #[schema(value_type = Option<String>, format = Password, min_length = 1, max_length = 256)]
    password: Option<SecretString>,
    #[garde(skip)]
    method: Option<CodeMethod>,
    /// Six digits, or a recovery code as it was shown.
    #[garde(skip)]
    #[schema(value_type = Option<String>, min_length = 6, max_length = 64)]
    code: Option<SecretString>,
    #[garde(length(chars, max = 128))]
    #[schema(max_length = 128)]
    challenge_id: Option<String>,
    #[garde(dive)]
    credential: Option<AuthenticationCredentialBody>,
    /// Of the Google account that is linked, with a nonce of `POST /me/google/options`.
    #[garde(skip)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 8192)]
    id_token: Option<SecretString>,
}

/// The session's tokens, with the new time of authentication in them.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReauthenticatedView {
    tokens: TokensView,
}

/// Prove again who one is.
///
/// Renews the time of authentication for what needs a recent sign-in. The session goes on with its refresh
/// token; its earlier access tokens count no more, and the one answered says the new time.
#[utoipa::path(post, path = "/api/v1/auth/reauthenticate", operation_id = "reauthenticate", tag = "sign-in",
    request_body = ReauthenticateBody,
    responses((status = 200, description = "Proven.", body = Answer<ReauthenticatedView>)))]
pub(crate) async fn reauthenticate(
    state: State,
    who: Authenticated,
    Context(context): Context,
    JsonBody(mut body): JsonBody<ReauthenticateBody>,
) -> Result<HttpResponse, Problem> {
    if let Some(id_token) = body.id_token.take() {
        return by_google(state, who, context, body, id_token).await;
    }
    let proof = body.into_proof()?;
    let tokens = to_the_end(async move {
        let sessions = &state.sessions;
        sessions
            .reauthenticate(who.session(), &proof, &context)
            .await
    })
    .await?;
    Ok(confirmed(tokens))
}

async fn by_google(
    state: State,
    who: Authenticated,
    context: RequestContext,
    rest: ReauthenticateBody,
    id_token: SecretString,
) -> Result<HttpResponse, Problem> {
    if !rest.is_empty() {
        return Err(exactly_one_proof());
    }
    let id_token =
        bounded("id_token", id_token, LONGEST_ID_TOKEN).map_err(Problem::invalid_field)?;
    let Some(federation) = state.federation.clone() else {
        return Err(Problem::invalid_field(FieldError::new(
            "id_token",
            "not_offered",
            "there is no sign-in with Google here",
        )));
    };
    let tokens = to_the_end(async move {
        let sessions = &state.sessions;
        sessions
            .reauthenticate_by_provider(&federation, who.session(), &id_token, &context)
            .await
    })
    .await?;
    Ok(confirmed(tokens))
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
                "confirm with the password, an authenticator app, a recovery code or a passkey",
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
        "give the password, or a method with its code, or a challenge with a passkey's answer, or an ID token",
    ))
}
