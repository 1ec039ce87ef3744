//! `GET /me/mfa`, `POST /me/mfa/totp`, `POST /me/mfa/totp/confirm`, `DELETE /me/mfa/totp` and
//! `POST /me/mfa/recovery-codes`

use actix_web::HttpResponse;
use authentication_app::{
    mfa::{ConfirmedTotp, FreshRecoveryCodes},
    ports::TotpEnrolment,
};
use authentication_domain::mfa::{RecoveryCode, SecondFactor, SecondFactors};
use garde::Validate;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Authenticated, Problem,
    answer::{self, Answer, Nothing},
    ingress::{Context, RecentRepeater, RecentlyAuthenticated, RepeatableJson},
    state::State,
    to_the_end::to_the_end,
    v1::views::{TokensView, exposed, factor_names},
};

/// Second factors.
#[derive(Serialize, ToSchema)]
#[schema(as = Mfa)]
#[serde(deny_unknown_fields)]
pub(crate) struct MfaView {
    /// Whether signing in requires a second factor.
    enabled: bool,
    /// The second factors that are set up.
    #[schema(schema_with = factor_names)]
    methods: Vec<SecondFactor>,
}

impl From<SecondFactors> for MfaView {
    fn from(factors: SecondFactors) -> Self {
        Self {
            enabled: factors.is_enabled(),
            methods: factors.shown().collect(),
        }
    }
}

/// The data for an authenticator app. Shown once.
#[derive(Serialize, ToSchema)]
#[schema(as = TotpEnrolment)]
#[serde(deny_unknown_fields)]
pub(crate) struct TotpEnrolmentView {
    /// Base32, for manual entry.
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String, example = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")]
    secret: SecretString,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String, example = "otpauth://totp/Fashionistar:ada%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Fashionistar")]
    otpauth_uri: SecretString,
    /// The URI as a QR code: an SVG document.
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String, example = "<svg xmlns=\"http://www.w3.org/2000/svg\"/>")]
    qr_svg: SecretString,
}

/// Recovery codes. Shown once.
#[derive(Serialize, ToSchema)]
#[schema(as = RecoveryCodes)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecoveryCodesView {
    #[schema(example = json!(["8PXV-3W9K-QZ2M-7D4R-N0TB-C6HJ"]))]
    recovery_codes: Vec<String>,
}

/// The result of activating an authenticator app.
#[derive(Serialize, ToSchema)]
#[schema(as = ConfirmedTotp)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfirmedTotpView {
    /// Shown once.
    #[schema(example = json!(["8PXV-3W9K-QZ2M-7D4R-N0TB-C6HJ"]))]
    recovery_codes: Vec<String>,
    /// The session's new tokens, with two factors. The previous ones are no longer valid.
    tokens: TokensView,
}

/// A code from the app that is being set up.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "code": "493817" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfirmTotpBody {
    /// Six digits.
    #[garde(skip)]
    #[schema(value_type = String, max_length = 18, pattern = "^ *([0-9] *){6}$")]
    code: SecretString,
}

/// Your second factors.
#[utoipa::path(get, path = "/api/v1/me/mfa", operation_id = "my_mfa", tag = "me",
    responses((status = 200, description = "The second factors that are set up.", body = Answer<MfaView>)))]
pub(crate) async fn show(who: Authenticated) -> HttpResponse {
    let factors = who.session().owner.second_factors;
    answer::ok("Your second factors", MfaView::from(factors))
}

/// Set up an authenticator app.
///
/// The app becomes active when one of its codes is confirmed within 10 minutes. An app that is already active
/// stays active until then.
#[utoipa::path(post, path = "/api/v1/me/mfa/totp", operation_id = "begin_totp", tag = "me",
    responses((status = 200, description = "The secret, shown once.", body = Answer<TotpEnrolmentView>)))]
pub(crate) async fn begin_totp(
    state: State,
    who: RecentlyAuthenticated,
) -> Result<HttpResponse, Problem> {
    let enrolment = to_the_end(async move { state.mfa.begin_totp(who.session()).await }).await?;
    let data = TotpEnrolmentView::from(enrolment);
    Ok(answer::ok(
        "Scan the QR code, then confirm with a code from the app",
        data,
    ))
}

/// Confirm an authenticator app.
///
/// Returns ten recovery codes, once; earlier ones are no longer valid. The session now has two factors and
/// continues with the tokens in the answer; its previous access and refresh tokens are no longer valid.
#[utoipa::path(post, path = "/api/v1/me/mfa/totp/confirm", operation_id = "confirm_totp", tag = "me",
    params(("Idempotency-Key" = Option<String>, Header, pattern = "^[ -~]{1,255}$",
        description = "The same key and body get the same answer for 24 hours, even with the previous access token.")),
    request_body = ConfirmTotpBody,
    responses((status = 200, description = "The app is active.", body = Answer<ConfirmedTotpView>)))]
pub(crate) async fn confirm_totp(
    state: State,
    RecentRepeater(who): RecentRepeater,
    Context(context): Context,
    RepeatableJson(body, request): RepeatableJson<ConfirmTotpBody>,
) -> Result<HttpResponse, Problem> {
    let repeatable = who.repeatable(request);
    let confirmed = to_the_end(async move {
        let (mfa, code) = (&state.mfa, &body.code);
        mfa.confirm_totp(who.session(), code, repeatable, &context)
            .await
    })
    .await?;
    let data = ConfirmedTotpView::from(confirmed);
    Ok(answer::ok("Authenticator app set up", data))
}

/// Remove the authenticator app.
#[utoipa::path(delete, path = "/api/v1/me/mfa/totp", operation_id = "remove_totp", tag = "me",
    responses((status = 200, description = "Removed.", body = Answer<Nothing>)))]
pub(crate) async fn remove_totp(
    state: State,
    who: RecentlyAuthenticated,
    Context(context): Context,
) -> Result<HttpResponse, Problem> {
    to_the_end(async move { state.mfa.remove_totp(who.session(), &context).await }).await?;
    Ok(answer::ok("Authenticator app removed", Nothing {}))
}

/// Create a new set of recovery codes.
///
/// Shown once. Earlier codes are no longer valid.
#[utoipa::path(post, path = "/api/v1/me/mfa/recovery-codes", operation_id = "renew_recovery_codes", tag = "me",
    responses((status = 200, description = "The codes.", body = Answer<RecoveryCodesView>)))]
pub(crate) async fn renew_recovery_codes(
    state: State,
    who: RecentlyAuthenticated,
    Context(context): Context,
) -> Result<HttpResponse, Problem> {
    let codes = to_the_end(async move {
        state
            .mfa
            .renew_recovery_codes(who.session(), &context)
            .await
    })
    .await?;
    let data = RecoveryCodesView::from(codes);
    Ok(answer::ok("Your new recovery codes", data))
}

impl From<TotpEnrolment> for TotpEnrolmentView {
    fn from(enrolment: TotpEnrolment) -> Self {
        Self {
            secret: enrolment.secret,
            otpauth_uri: enrolment.otpauth_uri,
            qr_svg: enrolment.qr_svg,
        }
    }
}

impl From<ConfirmedTotp> for ConfirmedTotpView {
    fn from(confirmed: ConfirmedTotp) -> Self {
        Self {
            recovery_codes: RecoveryCodesView::from(confirmed.codes).recovery_codes,
            tokens: confirmed.tokens.into(),
        }
    }
}

impl From<FreshRecoveryCodes> for RecoveryCodesView {
    fn from(FreshRecoveryCodes(codes): FreshRecoveryCodes) -> Self {
        Self {
            recovery_codes: codes
                .iter()
                .map(RecoveryCode::expose)
                .map(str::to_owned)
                .collect(),
        }
    }
}
