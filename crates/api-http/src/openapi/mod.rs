//! The `OpenAPI` document: the descriptions of the handlers, completed from the table of routes and the catalogue
//! of problems.
//!
//! A handler describes its body and its success. Its possible refusals follow from its row in the table, so that
//! none is missing.

mod google;
mod refusals;

use std::collections::BTreeMap;

use utoipa::{
    OpenApi as _,
    openapi::{
        OpenApi, PathItem, Ref, RefOr, Response,
        path::Operation,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::{
    FieldError,
    problem::ProblemDocument,
    root,
    routes::{self, Access, Method, RouteSpec},
    v1,
};

const BEARER: &str = "bearer";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "fashionistar-auth",
        description = "Identity, authentication and authorization for Fashionistar.\n\n\
            Success is `{\"message\", \"data\"}`; an error is a problem document (RFC 9457) with a stable `code`. \
            Every answer has an `X-Request-Id`; send your own to find the request in the logs. \
            Calls are rate limited by address and by account: see `RateLimit` and `RateLimit-Policy`.",
    ),
    servers((url = "/", description = "This service")),
    tags(
        (name = "registration", description = "Registering with an email address or a phone number."),
        (name = "sign-in", description = "Sessions and their tokens."),
        (name = "providers", description = "Signing in with the configured identity providers."),
        (name = "google", description = "Signing in with Google, under its own paths."),
        (name = "passwords", description = "Changing and resetting passwords."),
        (name = "passkeys", description = "Passkeys: a fingerprint, face or PIN instead of a password."),
        (name = "me", description = "Your account."),
        (name = "forms", description = "Data for forms."),
        (name = "operation", description = "For gateways, orchestrators and load balancers."),
        (name = "development", description = "Absent in production."),
    ),
    paths(
        v1::auth::register::register,
        v1::auth::verify_otp::verify_otp,
        v1::auth::resend_otp::resend_otp,
        v1::auth::log_in::log_in,
        v1::auth::log_in_otp::log_in_otp,
        v1::auth::mfa::otp::mfa_otp,
        v1::auth::mfa::verify::mfa_verify,
        v1::auth::mfa::webauthn::options,
        v1::auth::mfa::webauthn::verify,
        v1::auth::reauthenticate::reauthenticate,
        v1::auth::passkey::options,
        v1::auth::passkey::verify,
        v1::auth::providers::list,
        v1::auth::providers::options,
        v1::auth::providers::sign_in,
        v1::auth::providers::authorize,
        v1::auth::providers::callback,
        v1::auth::refresh::refresh,
        v1::auth::reset_password::request_reset,
        v1::auth::reset_password::confirm_reset,
        v1::auth::change_password::change_password,
        v1::auth::log_out::log_out,
        v1::auth::log_out::log_out_everywhere,
        v1::me::profile::show,
        v1::me::profile::change,
        v1::me::providers::list,
        v1::me::providers::options,
        v1::me::providers::link,
        v1::me::providers::unlink,
        v1::me::sessions::list,
        v1::me::sessions::end,
        v1::me::sessions::end_others,
        v1::me::mfa::show,
        v1::me::mfa::begin_totp,
        v1::me::mfa::confirm_totp,
        v1::me::mfa::remove_totp,
        v1::me::mfa::renew_recovery_codes,
        v1::auth::not_me::not_me,
        v1::auth::not_me::undo_identifier_change,
        v1::me::identifier::change,
        v1::me::identifier::confirm,
        v1::me::devices::list,
        v1::me::devices::forget,
        v1::me::passkeys::options,
        v1::me::passkeys::enrol,
        v1::me::passkeys::list,
        v1::me::passkeys::rename,
        v1::me::passkeys::remove,
        v1::countries::list,
        root::well_known::keys,
        root::well_known::metadata,
        root::well_known::related_origins,
        root::health::live,
        root::health::ready,
        root::health::serving,
        root::mailbox::list,
    ),
    components(schemas(ProblemDocument, FieldError)),
)]
struct Document;

/// The document of this version of the API.
pub fn openapi() -> OpenApi {
    let mut document = Document::openapi();
    let components = document.components.get_or_insert_default();
    components.security_schemes.insert(
        BEARER.to_owned(),
        RefOr::T(SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .bearer_format("JWT")
                .description(Some("The `access_token` from a sign-in."))
                .build(),
        )),
    );
    components.headers.extend(refusals::headers());
    google::add(&mut document.paths);
    let components = document.components.get_or_insert_default();
    for spec in routes::all() {
        let item = document.paths.paths.get_mut(spec.path);
        if let Some(operation) = item.and_then(|item| operation_of(item, spec)) {
            complete(operation, spec, &mut components.responses);
        }
    }
    document
}

/// The document as text with a trailing line break, as in `docs/openapi.json`.
pub fn openapi_json() -> String {
    let mut text = openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

fn operation_of<'a>(item: &'a mut PathItem, spec: &RouteSpec) -> Option<&'a mut Operation> {
    match spec.method {
        Method::Get => item.get.as_mut(),
        Method::Post => item.post.as_mut(),
        Method::Patch => item.patch.as_mut(),
        Method::Delete => item.delete.as_mut(),
    }
}

fn complete(
    operation: &mut Operation,
    spec: &RouteSpec,
    shared: &mut BTreeMap<String, RefOr<Response>>,
) {
    if spec.access == Access::SignedIn {
        let bearer = SecurityRequirement::new(BEARER, [""; 0]);
        operation.security = Some(vec![bearer]);
    }
    let takes_body = operation.request_body.is_some();
    let responses = &mut operation.responses.responses;
    for response in responses.values_mut() {
        if let RefOr::T(response) = response {
            refusals::add_headers(response, spec, &[]);
        }
    }
    for (status, codes) in refusals::by_status(spec, takes_body) {
        let refusal = refusals::response(&codes, spec);
        if let Some(RefOr::T(said)) = responses.get_mut(&status) {
            // `/health/ready` describes its 503 itself.
            said.content.extend(refusal.content);
            said.headers.extend(refusal.headers);
        } else {
            let name = refusals::name(&codes, spec);
            let reference = Ref::new(format!("#/components/responses/{name}"));
            responses.insert(status, RefOr::Ref(reference));
            shared.insert(name, RefOr::T(refusal));
        }
    }
}

#[cfg(test)]
mod tests;
