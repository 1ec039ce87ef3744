//! Everything that can be refused, in one table. `docs/problems.md` shows the same to people.

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
        /// Why a request was refused: the `code` of a problem document. Stable; clients decide by it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ProblemCode {
            $(#[doc = concat!("`", $name, "`: ", $detail)] $variant,)+
        }

        impl ProblemCode {
            /// Every code there is, by status.
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
        "The request cannot be read.";
    InvalidState, "invalid_state", BAD_REQUEST, "Invalid state",
        "This sign-in was not begun here, or is over. Begin it again.";
    InvalidRedirectUri, "invalid_redirect_uri", BAD_REQUEST, "Redirect URI not allowed",
        "The redirect URI is not one of the allowed.";
    Unauthenticated, "unauthenticated", UNAUTHORIZED, "Not signed in",
        "Sign in and send the access token in the Authorization header.";
    InvalidToken, "invalid_token", UNAUTHORIZED, "Invalid access token",
        "The access token is expired, revoked or malformed.";
    InvalidCredentials, "invalid_credentials", UNAUTHORIZED, "Invalid credentials",
        "Invalid credentials";
    InvalidCode, "invalid_code", UNAUTHORIZED, "Invalid code",
        "The code or the passkey's answer is wrong, used up or expired.";
    InvalidRefreshToken, "invalid_refresh_token", UNAUTHORIZED, "Invalid refresh token",
        "The refresh token is expired, revoked or malformed. Sign in again.";
    RefreshTokenReused, "refresh_token_reused", UNAUTHORIZED, "Refresh token used twice",
        "The refresh token had been replaced, so the session was ended. Sign in again.";
    Forbidden, "forbidden", FORBIDDEN, "Not allowed",
        "Your account is not allowed to do this.";
    AccountSuspended, "account_suspended", FORBIDDEN, "Account suspended",
        "This account is suspended. Contact support.";
    ReauthenticationRequired, "reauthentication_required", FORBIDDEN, "Confirm it is you",
        "This needs a recent sign-in. Confirm who you are, and repeat it.";
    SecondFactorRequired, "second_factor_required", FORBIDDEN, "Second factor needed",
        "Your role needs a second factor for this. Set one up or sign in with it.";
    SecondFactorNotAllowed, "second_factor_not_allowed", FORBIDDEN, "Another second factor needed",
        "This sign-in cannot be completed that way; see its methods.";
    NoSecondFactor, "no_second_factor", CONFLICT, "No second factor",
        "Set a second factor up first.";
    AnotherProofRequired, "another_proof_required", FORBIDDEN, "Another proof required",
        "This number was not used for long. Sign in with your password, or on a device that you used before.";
    InvalidCurrentPassword, "invalid_current_password", FORBIDDEN, "Wrong current password",
        "The current password is wrong.";
    NotFound, "not_found", NOT_FOUND, "Not found",
        "There is nothing here.";
    MethodNotAllowed, "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed",
        "This address does not take this method; see the Allow header.";
    Conflict, "conflict", CONFLICT, "Changed at the same moment",
        "Somebody else changed this at the same moment. Read it again and repeat the change.";
    LastWayIn, "last_way_in", CONFLICT, "The last way in",
        "Without it nobody could sign in to this account. Add another way in, or set a password, first.";
    TooManyPasskeys, "too_many_passkeys", CONFLICT, "Too many passkeys",
        "This account has as many passkeys as it may have. Remove one first.";
    AccountExistsLinkRequired, "account_exists_link_required", CONFLICT, "An account has this address",
        "An account with this address exists. Sign in to it, and link the provider there.";
    AlreadyLinked, "already_linked", CONFLICT, "Linked already",
        "This account at the provider opens another account, or another one at the provider opens yours.";
    IdempotencyInProgress, "idempotency_in_progress", CONFLICT, "The same request is in progress",
        "A request with the same idempotency key is being answered. Try again in a moment.";
    PayloadTooLarge, "payload_too_large", PAYLOAD_TOO_LARGE, "Body too large",
        "The body is larger than this service reads.";
    UnsupportedMediaType, "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type",
        "Send the body as application/json in UTF-8, without a content encoding.";
    ValidationFailed, "validation_failed", UNPROCESSABLE_ENTITY, "Validation failed",
        "Some values cannot be taken as they are; see errors.";
    IdempotencyKeyReused, "idempotency_key_reused", UNPROCESSABLE_ENTITY, "Idempotency key used before",
        "The idempotency key came with another request before. Use a new one.";
    RateLimited, "rate_limited", TOO_MANY_REQUESTS, "Too many requests",
        "Too many requests. Wait before you try again.";
    AccountLocked, "account_locked", TOO_MANY_REQUESTS, "Password sign-in locked",
        "Too many failed attempts. Wait, reset the password, or sign in another way.";
    TooManyAttempts, "too_many_attempts", TOO_MANY_REQUESTS, "Too many attempts",
        "Too many wrong codes. Wait before you try again.";
    InternalError, "internal_error", INTERNAL_SERVER_ERROR, "Internal error",
        "Something went wrong on our side. Tell support the request id.";
    Overloaded, "overloaded", SERVICE_UNAVAILABLE, "Overloaded",
        "The service is busy. Try again in a moment.";
    Unavailable, "unavailable", SERVICE_UNAVAILABLE, "Temporarily unavailable",
        "A part of the service cannot be reached. Try again in a moment.";
    DeadlineExceeded, "deadline_exceeded", SERVICE_UNAVAILABLE, "Took too long",
        "The request took too long and was given up. Try again in a moment.";
}

impl ProblemCode {
    /// The value of `code`.
    pub const fn as_str(self) -> &'static str {
        self.entry().name
    }

    /// The status it is answered with.
    pub const fn status(self) -> StatusCode {
        self.entry().status
    }

    /// The value of `type`. A name, not an address: `docs/problems.md` says what it means.
    pub fn type_uri(self) -> String {
        format!("urn:problem:fashionistar-auth:{}", self.as_str())
    }

    /// For refusals that come from below the handlers and have a status only.
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
