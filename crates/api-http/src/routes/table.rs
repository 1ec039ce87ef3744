//! The rows, one per route: sign-in, the caller's own account, forms, documents at the root.

use authentication_domain::protection::RouteClass;

use super::{Counted, Method, Presence, RouteSpec, Sends, document, public, signed_in, to};
use crate::{ProblemCode as P, root, v1};

pub(super) static ROUTES: &[RouteSpec] = &[
    // ---- accounts and sign-in ----
    public(
        Method::Post,
        "/api/v1/auth/register",
        RouteClass::Register,
        &[
            P::IdempotencyInProgress,
            P::IdempotencyKeyReused,
            P::Overloaded,
        ],
        || to(v1::auth::register::register),
    )
    .sends(Sends::ByRecipient),
    public(
        Method::Post,
        "/api/v1/auth/verify-otp",
        RouteClass::Verify,
        &[
            P::InvalidCode,
            P::AccountSuspended,
            P::AnotherProofRequired,
            P::TooManyAttempts,
        ],
        || to(v1::auth::verify_otp::verify_otp),
    )
    .sends(Sends::Gathered),
    public(
        Method::Post,
        "/api/v1/auth/resend-otp",
        RouteClass::SendCode,
        &[P::InvalidCode],
        || to(v1::auth::resend_otp::resend_otp),
    )
    .sends(Sends::ByRecipient),
    public(
        Method::Post,
        "/api/v1/auth/login",
        RouteClass::LogIn,
        &[
            P::InvalidCredentials,
            P::AccountSuspended,
            P::AccountLocked,
            P::Overloaded,
        ],
        || to(v1::auth::log_in::log_in),
    )
    .sends(Sends::Gathered),
    public(
        Method::Post,
        "/api/v1/auth/login/otp",
        RouteClass::SendCode,
        &[],
        || to(v1::auth::log_in_otp::log_in_otp),
    )
    .sends(Sends::ByRecipient),
    // ---- providers; Google also has its own paths ----
    public(
        Method::Get,
        "/api/v1/auth/providers",
        RouteClass::Public,
        &[],
        || to(v1::auth::providers::list),
    ),
    public(
        Method::Post,
        "/api/v1/auth/providers/{name}/options",
        RouteClass::Verify,
        &[P::NotFound],
        || to(v1::auth::providers::options),
    ),
    public(
        Method::Post,
        "/api/v1/auth/providers/{name}",
        RouteClass::Verify,
        &[
            P::NotFound,
            P::InvalidCredentials,
            P::AccountSuspended,
            P::AccountExistsLinkRequired,
        ],
        || to(v1::auth::providers::sign_in),
    )
    .sends(Sends::Gathered),
    public(
        Method::Post,
        "/api/v1/auth/providers/{name}/authorize",
        RouteClass::Verify,
        &[P::NotFound, P::InvalidRedirectUri],
        || to(v1::auth::providers::authorize),
    ),
    public(
        Method::Post,
        "/api/v1/auth/providers/{name}/callback",
        RouteClass::Verify,
        &[
            P::NotFound,
            P::InvalidState,
            P::InvalidCredentials,
            P::AccountSuspended,
            P::AccountExistsLinkRequired,
        ],
        || to(v1::auth::providers::callback),
    )
    .sends(Sends::Gathered),
    public(
        Method::Post,
        "/api/v1/auth/google/options",
        RouteClass::Verify,
        &[P::NotFound],
        || to(v1::auth::providers::options),
    ),
    public(
        Method::Post,
        "/api/v1/auth/google",
        RouteClass::Verify,
        &[
            P::NotFound,
            P::InvalidCredentials,
            P::AccountSuspended,
            P::AccountExistsLinkRequired,
        ],
        || to(v1::auth::providers::sign_in),
    )
    .sends(Sends::Gathered),
    public(
        Method::Post,
        "/api/v1/auth/google/authorize",
        RouteClass::Verify,
        &[P::NotFound, P::InvalidRedirectUri],
        || to(v1::auth::providers::authorize),
    ),
    public(
        Method::Post,
        "/api/v1/auth/google/callback",
        RouteClass::Verify,
        &[
            P::NotFound,
            P::InvalidState,
            P::InvalidCredentials,
            P::AccountSuspended,
            P::AccountExistsLinkRequired,
        ],
        || to(v1::auth::providers::callback),
    )
    .sends(Sends::Gathered),
    public(
        Method::Post,
        "/api/v1/auth/mfa/otp",
        RouteClass::Verify,
        &[
            P::InvalidCode,
            P::SecondFactorNotAllowed,
            P::TooManyAttempts,
        ],
        || to(v1::auth::mfa::otp::mfa_otp),
    )
    .sends(Sends::ByRecipient),
    public(
        Method::Post,
        "/api/v1/auth/mfa/verify",
        RouteClass::Verify,
        &[
            P::InvalidCode,
            P::SecondFactorNotAllowed,
            P::TooManyAttempts,
        ],
        || to(v1::auth::mfa::verify::mfa_verify),
    )
    .sends(Sends::Gathered),
    public(
        Method::Post,
        "/api/v1/auth/mfa/webauthn/options",
        RouteClass::Verify,
        &[
            P::InvalidCode,
            P::SecondFactorNotAllowed,
            P::TooManyAttempts,
        ],
        || to(v1::auth::mfa::webauthn::options),
    ),
    public(
        Method::Post,
        "/api/v1/auth/mfa/webauthn/verify",
        RouteClass::Verify,
        &[
            P::InvalidCode,
            P::SecondFactorNotAllowed,
            P::TooManyAttempts,
        ],
        || to(v1::auth::mfa::webauthn::verify),
    )
    .sends(Sends::Gathered),
    signed_in(
        Method::Post,
        "/api/v1/auth/reauthenticate",
        &[
            P::InvalidCode,
            P::InvalidCredentials,
            P::InvalidCurrentPassword,
            P::AccountLocked,
            P::IdempotencyInProgress,
            P::IdempotencyKeyReused,
            P::TooManyAttempts,
            P::Overloaded,
        ],
        || to(v1::auth::reauthenticate::reauthenticate),
    )
    .sends_an_hour(30)
    .counted_by(RouteClass::Password)
    .ending_its_token(),
    public(
        Method::Post,
        "/api/v1/auth/passkey/options",
        RouteClass::LogIn,
        &[],
        || to(v1::auth::passkey::options),
    ),
    public(
        Method::Post,
        "/api/v1/auth/passkey/verify",
        RouteClass::LogIn,
        &[P::InvalidCode, P::AccountSuspended],
        || to(v1::auth::passkey::verify),
    )
    .sends(Sends::Gathered),
    public(
        Method::Post,
        "/api/v1/auth/token/refresh",
        RouteClass::Refresh,
        &[P::InvalidRefreshToken, P::RefreshTokenReused],
        || to(v1::auth::refresh::refresh),
    )
    .sends(Sends::Gathered),
    public(
        Method::Post,
        "/api/v1/auth/password/reset",
        RouteClass::SendCode,
        &[],
        || to(v1::auth::reset_password::request_reset),
    )
    .sends(Sends::ByRecipient),
    public(
        Method::Post,
        "/api/v1/auth/password/reset/confirm",
        RouteClass::Verify,
        &[
            P::InvalidCode,
            P::AnotherProofRequired,
            P::Conflict,
            P::TooManyAttempts,
            P::Overloaded,
        ],
        || to(v1::auth::reset_password::confirm_reset),
    )
    .sends(Sends::Gathered),
    signed_in(
        Method::Post,
        "/api/v1/auth/password/change",
        &[
            P::InvalidCurrentPassword,
            P::Conflict,
            P::AccountLocked,
            P::IdempotencyInProgress,
            P::IdempotencyKeyReused,
            P::Overloaded,
        ],
        || to(v1::auth::change_password::change_password),
    )
    .sends_an_hour(20)
    .counted_by(RouteClass::Password)
    .ending_its_token(),
    signed_in(Method::Post, "/api/v1/auth/logout", &[], || {
        to(v1::auth::log_out::log_out)
    }),
    signed_in(
        Method::Post,
        "/api/v1/auth/logout-all",
        &[P::ReauthenticationRequired],
        || to(v1::auth::log_out::log_out_everywhere),
    ),
    public(
        Method::Post,
        "/api/v1/auth/not-me",
        RouteClass::Verify,
        &[P::InvalidCode],
        || to(v1::auth::not_me::not_me),
    )
    .sends(Sends::ByLink),
    public(
        Method::Post,
        "/api/v1/auth/identifier/undo",
        RouteClass::Verify,
        &[P::InvalidCode],
        || to(v1::auth::not_me::undo_identifier_change),
    )
    .sends(Sends::ByLink),
    // ---- the caller's own account ----
    signed_in(Method::Get, "/api/v1/me", &[], || to(v1::me::profile::show)),
    signed_in(Method::Patch, "/api/v1/me", &[P::Conflict], || {
        to(v1::me::profile::change)
    }),
    signed_in(Method::Get, "/api/v1/me/providers", &[], || {
        to(v1::me::providers::list)
    }),
    signed_in(
        Method::Post,
        "/api/v1/me/providers/{name}/options",
        &[P::NotFound],
        || to(v1::me::providers::options),
    ),
    signed_in(
        Method::Post,
        "/api/v1/me/providers/{name}",
        &[
            P::NotFound,
            P::InvalidCredentials,
            P::ReauthenticationRequired,
            P::AlreadyLinked,
            P::Conflict,
        ],
        || to(v1::me::providers::link),
    )
    .sends_an_hour(10),
    signed_in(
        Method::Delete,
        "/api/v1/me/providers/{name}",
        &[
            P::NotFound,
            P::ReauthenticationRequired,
            P::LastWayIn,
            P::Conflict,
        ],
        || to(v1::me::providers::unlink),
    )
    .sends_an_hour(10),
    signed_in(
        Method::Post,
        "/api/v1/me/google/options",
        &[P::NotFound],
        || to(v1::me::providers::options),
    ),
    signed_in(
        Method::Post,
        "/api/v1/me/google",
        &[
            P::NotFound,
            P::InvalidCredentials,
            P::ReauthenticationRequired,
            P::AlreadyLinked,
            P::Conflict,
        ],
        || to(v1::me::providers::link),
    )
    .sends_an_hour(10),
    signed_in(
        Method::Delete,
        "/api/v1/me/google",
        &[
            P::NotFound,
            P::ReauthenticationRequired,
            P::LastWayIn,
            P::Conflict,
        ],
        || to(v1::me::providers::unlink),
    )
    .sends_an_hour(10),
    signed_in(Method::Get, "/api/v1/me/sessions", &[], || {
        to(v1::me::sessions::list)
    })
    .with_query(&["limit", "cursor"]),
    signed_in(
        Method::Delete,
        "/api/v1/me/sessions",
        &[P::ReauthenticationRequired],
        || to(v1::me::sessions::end_others),
    ),
    signed_in(
        Method::Delete,
        "/api/v1/me/sessions/{id}",
        &[P::NotFound, P::ReauthenticationRequired],
        || to(v1::me::sessions::end),
    ),
    signed_in(Method::Get, "/api/v1/me/mfa", &[], || to(v1::me::mfa::show)),
    signed_in(
        Method::Post,
        "/api/v1/me/mfa/totp",
        &[P::ReauthenticationRequired],
        || to(v1::me::mfa::begin_totp),
    ),
    signed_in(
        Method::Post,
        "/api/v1/me/mfa/totp/confirm",
        &[
            P::ReauthenticationRequired,
            P::InvalidCode,
            P::IdempotencyInProgress,
            P::IdempotencyKeyReused,
            P::TooManyAttempts,
        ],
        || to(v1::me::mfa::confirm_totp),
    )
    .sends_an_hour(20)
    .ending_its_token(),
    signed_in(
        Method::Delete,
        "/api/v1/me/mfa/totp",
        &[P::ReauthenticationRequired, P::NotFound],
        || to(v1::me::mfa::remove_totp),
    )
    .sends_an_hour(10),
    signed_in(
        Method::Post,
        "/api/v1/me/mfa/recovery-codes",
        &[P::ReauthenticationRequired, P::NoSecondFactor],
        || to(v1::me::mfa::renew_recovery_codes),
    )
    .sends_an_hour(10),
    signed_in(
        Method::Post,
        "/api/v1/me/identifier",
        &[P::ReauthenticationRequired],
        || to(v1::me::identifier::change),
    )
    .counted_by(RouteClass::SendCode)
    .sends_an_hour(10),
    signed_in(
        Method::Post,
        "/api/v1/me/identifier/confirm",
        &[
            P::InvalidCode,
            P::ReauthenticationRequired,
            P::Conflict,
            P::TooManyAttempts,
        ],
        || to(v1::me::identifier::confirm),
    )
    .counted_by(RouteClass::Verify)
    .sends_an_hour(20),
    signed_in(Method::Get, "/api/v1/me/devices", &[], || {
        to(v1::me::devices::list)
    }),
    signed_in(
        Method::Delete,
        "/api/v1/me/devices/{id}",
        &[P::NotFound, P::ReauthenticationRequired],
        || to(v1::me::devices::forget),
    ),
    signed_in(
        Method::Post,
        "/api/v1/me/passkeys/options",
        &[P::ReauthenticationRequired, P::TooManyPasskeys],
        || to(v1::me::passkeys::options),
    ),
    signed_in(
        Method::Post,
        "/api/v1/me/passkeys",
        &[
            P::InvalidCode,
            P::ReauthenticationRequired,
            P::TooManyPasskeys,
        ],
        || to(v1::me::passkeys::enrol),
    )
    .sends_an_hour(20),
    signed_in(Method::Get, "/api/v1/me/passkeys", &[], || {
        to(v1::me::passkeys::list)
    }),
    signed_in(
        Method::Patch,
        "/api/v1/me/passkeys/{id}",
        &[P::NotFound],
        || to(v1::me::passkeys::rename),
    ),
    signed_in(
        Method::Delete,
        "/api/v1/me/passkeys/{id}",
        &[P::NotFound, P::ReauthenticationRequired, P::LastWayIn],
        || to(v1::me::passkeys::remove),
    )
    .sends_an_hour(20),
    // ---- for forms ----
    public(
        Method::Get,
        "/api/v1/countries",
        RouteClass::Public,
        &[],
        || to(v1::countries::list),
    )
    .with_query(&["q"]),
    // ---- documents at the root ----
    document(
        "/.well-known/jwks.json",
        Presence::Public,
        Counted::By(RouteClass::Public),
        || to(root::well_known::keys),
    ),
    document(
        "/.well-known/openid-configuration",
        Presence::Public,
        Counted::By(RouteClass::Public),
        || to(root::well_known::metadata),
    ),
    document(
        "/.well-known/webauthn",
        Presence::Public,
        Counted::By(RouteClass::Public),
        || to(root::well_known::related_origins),
    ),
    document("/health/live", Presence::Both, Counted::Never, || {
        to(root::health::live)
    }),
    document("/health/ready", Presence::Both, Counted::Never, || {
        to(root::health::ready)
    }),
    document("/health/serving", Presence::Both, Counted::Never, || {
        to(root::health::serving)
    }),
    document("/metrics", Presence::Management, Counted::Never, || {
        to(root::metrics::show)
    }),
    document("/dev/mailbox", Presence::Mailbox, Counted::Never, || {
        to(root::mailbox::list)
    })
    .with_query(&["to", "q", "limit"]),
    document(
        "/dev/mailbox/{file}",
        Presence::Mailbox,
        Counted::Never,
        || to(root::mailbox::file),
    ),
    document(
        "/openapi.json",
        Presence::Pages,
        Counted::By(RouteClass::Public),
        || to(root::docs::document),
    ),
    document(
        "/docs",
        Presence::Pages,
        Counted::By(RouteClass::Public),
        || to(root::docs::page),
    ),
    document(
        "/docs/{file}",
        Presence::Pages,
        Counted::By(RouteClass::Public),
        || to(root::docs::file),
    ),
];
