//! The two requests of the code flow: the authorization request that a browser is redirected to, and the code exchange.

use std::{fmt, time::Duration};

use authentication_app::ports::{AuthorizationRequest, CodeGrant, ProviderError, ProviderRefusal};
use oauth2::{
    AccessToken, AuthType, AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken,
    EndpointNotSet, EndpointSet, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, Scope, StandardRevocableToken, TokenResponse, TokenUrl,
    basic::{
        BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse,
        BasicTokenIntrospectionResponse, BasicTokenType,
    },
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::{
    ProviderConfig,
    directory::Failure,
    http::{Http, HttpError},
    metadata::Metadata,
    token::if_it_can_be_read,
};

/// The requested scopes: the identity, the e-mail address, and the name.
const SCOPES: [&str; 3] = ["openid", "email", "profile"];

type ProviderClient = Client<
    BasicErrorResponse,
    WithIdToken,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// The token endpoint's answer, of which only the ID token is used. Everything else may have any shape: some providers
/// send `expires_in` as a string, or `scope` as a list.
#[derive(Serialize, Deserialize)]
struct WithIdToken {
    #[serde(default, deserialize_with = "if_it_can_be_read")]
    id_token: Option<String>,
    #[serde(skip, default = "nothing")]
    access_token: AccessToken,
    #[serde(skip, default = "bearer")]
    token_type: BasicTokenType,
}

fn nothing() -> AccessToken {
    AccessToken::new(String::new())
}

const fn bearer() -> BasicTokenType {
    BasicTokenType::Bearer
}

impl TokenResponse for WithIdToken {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        None
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        None
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

impl fmt::Debug for WithIdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WithIdToken(…)")
    }
}

fn client_of(
    config: &ProviderConfig,
    metadata: &Metadata,
    redirect_uri: &str,
) -> Result<ProviderClient, ProviderError> {
    let id = config.client_ids.first().cloned().unwrap_or_default();
    let redirect = RedirectUrl::new(redirect_uri.to_owned())
        .map_err(|_| ProviderError::Untrustworthy("the redirect URI cannot be read"))?;
    let mut client = Client::new(ClientId::new(id))
        .set_auth_uri(AuthUrl::from_url(metadata.authorization_endpoint.clone()))
        .set_token_uri(TokenUrl::from_url(metadata.token_endpoint.clone()))
        .set_redirect_uri(redirect)
        .set_auth_type(if metadata.secret_in_body {
            AuthType::RequestBody
        } else {
            AuthType::BasicAuth
        });
    if let Some(secret) = &config.client_secret {
        client = client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()));
    }
    Ok(client)
}

/// The authorization request (OpenID Connect Core 1.0 §3.1.2.1), with PKCE by SHA-256 (RFC 7636 §4.3).
pub(crate) fn authorization_url(
    config: &ProviderConfig,
    metadata: &Metadata,
    request: &AuthorizationRequest<'_>,
) -> Result<String, ProviderError> {
    let client = client_of(config, metadata, request.redirect_uri)?;
    let verifier = PkceCodeVerifier::new(request.verifier.expose_secret().to_owned());
    let (url, _) = client
        .authorize_url(|| CsrfToken::new(request.state.to_owned()))
        .add_scopes(SCOPES.map(|scope| Scope::new(scope.to_owned())))
        .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
        .add_extra_param("nonce", request.nonce)
        .url();
    Ok(url.into())
}

/// Exchanges a code for the ID token (OpenID Connect Core 1.0 §3.1.3). There is no retry: if the answer is lost, the
/// code may be used up already.
pub(crate) async fn redeem(
    config: &ProviderConfig,
    metadata: &Metadata,
    http: &Http,
    grant: &CodeGrant<'_>,
) -> Result<SecretString, Failure> {
    let client = client_of(config, metadata, grant.redirect_uri)?;
    let answer = client
        .exchange_code(AuthorizationCode::new(
            grant.code.expose_secret().to_owned(),
        ))
        .set_pkce_verifier(PkceCodeVerifier::new(
            grant.verifier.expose_secret().to_owned(),
        ))
        .request_async(http)
        .await
        .map_err(|error| told(&error))?;
    answer
        .id_token
        .map(Into::into)
        .ok_or(Failure::Told(ProviderError::Untrustworthy(
            "it gives no ID token",
        )))
}

fn told(error: &RequestTokenError<HttpError, BasicErrorResponse>) -> Failure {
    match error {
        RequestTokenError::Request(error) => Failure::Http(*error),
        RequestTokenError::ServerResponse(answer) => match answer.error() {
            BasicErrorResponseType::InvalidClient | BasicErrorResponseType::UnauthorizedClient => {
                ProviderError::Untrustworthy("it does not take the client secret").into()
            }
            _ => ProviderRefusal::Code.into(),
        },
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            ProviderError::Untrustworthy("its token endpoint's answer cannot be read").into()
        }
    }
}

impl From<ProviderRefusal> for Failure {
    fn from(refusal: ProviderRefusal) -> Self {
        Self::Told(refusal.into())
    }
}
