//! All refusals, in one table. `docs/problems.md` documents them.

use actix_web::http::StatusCode;

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) title: &'static str,
    pub(crate) detail: &'static str,
}

macro_rules! catalogue {
    ($($variant:ident, $name:literal, $status:ident, $title:literal, $detail:literal;)+) => {
        /// Why a request was refused: the `code` of a problem document. Stable, because clients depend on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ProblemCode {
            $(#[doc = concat!("`", $name, "`: ", $detail)] $variant,)+
        }

        impl ProblemCode {
            /// Every code, sorted by status.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub(crate) const fn entry(self) -> Entry {
                match self {
                    $(Self::$variant => Entry {
                        name: $name,
                        status: StatusCode::$status,
                        title: $title,
                        detail: $detail,
                    },)+
                }
            }
        }
    };
}

catalogue! {
    MalformedRequest, "malformed_request", BAD_REQUEST, "Malformed request",
        "The request couldn't be read. Check its syntax and its fields.";
    InvalidState, "invalid_state", BAD_REQUEST, "Invalid state",
        "This sign-in wasn't started here or is no longer valid. Start again.";
    InvalidRedirectUri, "invalid_redirect_uri", BAD_REQUEST, "Redirect URI not allowed",
        "This redirect URI isn't allowed. Use one of the configured URIs.";
    Unauthenticated, "unauthenticated", UNAUTHORIZED, "Not signed in",
        "Sign in and send the access token in the Authorization header.";
    InvalidToken, "invalid_token", UNAUTHORIZED, "Invalid access token",
        "The access token is expired, revoked or malformed. Refresh it or sign in again.";
    InvalidCredentials, "invalid_credentials", UNAUTHORIZED, "Invalid credentials",
        "Invalid credentials";
    InvalidCode, "invalid_code", UNAUTHORIZED, "Invalid code",
        "The code, link or passkey response is wrong, expired or already used. Try again or request a new one.";
    InvalidRefreshToken, "invalid_refresh_token", UNAUTHORIZED, "Invalid refresh token",
        "The refresh token is expired, revoked or malformed. Sign in again.";
    RefreshTokenReused, "refresh_token_reused", UNAUTHORIZED, "Refresh token reused",
        "This refresh token had already been replaced, so the session was ended. Sign in again.";
    Forbidden, "forbidden", FORBIDDEN, "Not allowed",
        "Your account doesn't have permission to do this.";
    AccountSuspended, "account_suspended", FORBIDDEN, "Account suspended",
        "This account is suspended. Contact support.";
    ReauthenticationRequired, "reauthentication_required", FORBIDDEN, "Confirm it's you",
        "This requires a recent sign-in. Confirm it's you, then try again.";
    SecondFactorRequired, "second_factor_required", FORBIDDEN, "Second factor required",
        "Your role requires a second factor for this. Set one up or sign in with it.";
    SecondFactorNotAllowed, "second_factor_not_allowed", FORBIDDEN, "Second factor not accepted",
        "This sign-in can't be completed with that method. Use one of the methods listed for it.";
    NoSecondFactor, "no_second_factor", CONFLICT, "No second factor",
        "Set up a second factor first.";
    AnotherProofRequired, "another_proof_required", FORBIDDEN, "Another sign-in method required",
        "This number hasn't been used for a long time. Sign in with your password, or on a device you've used before.";
    InvalidCurrentPassword, "invalid_current_password", FORBIDDEN, "Wrong current password",
        "The current password is wrong. Try again or reset your password.";
    NotFound, "not_found", NOT_FOUND, "Not found",
        "This resource doesn't exist or isn't available to you.";
    MethodNotAllowed, "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed",
        "This URL doesn't support this method. See the Allow header.";
    Conflict, "conflict", CONFLICT, "Changed at the same time",
        "Another request changed this at the same time. Load it again and repeat your change.";
    LastWayIn, "last_way_in", CONFLICT, "Last way to sign in",
        "This is the only way to sign in to this account. Add another one or set a password first.";
    TooManyPasskeys, "too_many_passkeys", CONFLICT, "Too many passkeys",
        "This account has the maximum number of passkeys. Remove one first.";
    AccountExistsLinkRequired, "account_exists_link_required", CONFLICT, "Account already exists",
        "An account with this address already exists. Sign in to it and link the provider there.";
    AlreadyLinked, "already_linked", CONFLICT, "Already linked",
        "This provider account is linked to another account, or your account is linked to a different one at this provider. Unlink that one first.";
    IdempotencyInProgress, "idempotency_in_progress", CONFLICT, "Request already in progress",
        "A request with the same idempotency key is still being processed. Try again in a moment.";
    PayloadTooLarge, "payload_too_large", PAYLOAD_TOO_LARGE, "Request body too large",
        "The request body is larger than this service accepts. Send a smaller one.";
    UnsupportedMediaType, "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type",
        "Send the body as application/json in UTF-8, without a content encoding.";
    ValidationFailed, "validation_failed", UNPROCESSABLE_ENTITY, "Validation failed",
        "Some values aren't valid. Correct the fields listed in errors.";
    IdempotencyKeyReused, "idempotency_key_reused", UNPROCESSABLE_ENTITY, "Idempotency key already used",
        "This idempotency key was already used for a different request. Use a new one.";
    RateLimited, "rate_limited", TOO_MANY_REQUESTS, "Too many requests",
        "Too many requests. Wait before you try again.";
    AccountLocked, "account_locked", TOO_MANY_REQUESTS, "Password sign-in locked",
        "Too many failed attempts. Wait, reset your password, or sign in another way.";
    TooManyAttempts, "too_many_attempts", TOO_MANY_REQUESTS, "Too many attempts",
        "Too many wrong codes. Wait before you try again.";
    InternalError, "internal_error", INTERNAL_SERVER_ERROR, "Internal error",
        "Something went wrong on our side. Contact support and give them the request ID.";
    Overloaded, "overloaded", SERVICE_UNAVAILABLE, "Overloaded",
        "The service is busy. Try again in a moment.";
    Unavailable, "unavailable", SERVICE_UNAVAILABLE, "Temporarily unavailable",
        "Part of the service can't be reached. Try again in a moment.";
    DeadlineExceeded, "deadline_exceeded", SERVICE_UNAVAILABLE, "Request timed out",
        "The request took too long, so it was abandoned. Try again in a moment.";
}

impl ProblemCode {
    /// The value of `code`.
    pub const fn as_str(self) -> &'static str {
        self.entry().name
    }

    /// The status of the answer.
    pub const fn status(self) -> StatusCode {
        self.entry().status
    }

    /// The value of `type`. A name and not an address; `docs/problems.md` explains it.
    pub fn type_uri(self) -> String {
        format!("urn:problem:fashionistar-auth:{}", self.as_str())
    }

    /// The code for a refusal by a lower layer, which has a status only.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.status() == status)
            .unwrap_or(if status.is_client_error() {
                Self::MalformedRequest
            } else {
                Self::InternalError
            })
    }
}
