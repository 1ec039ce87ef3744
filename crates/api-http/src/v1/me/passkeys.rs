//! `POST /me/passkeys/options`, `POST /me/passkeys`, `GET /me/passkeys`, `PATCH /me/passkeys/{id}` and
//! `DELETE /me/passkeys/{id}`

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use authentication_app::passkeys::{Enrol, PasskeyList, PasskeyView};
use authentication_domain::{passkeys::Passkey, profiles::DisplayName};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Authenticated, FieldError, Problem, RecentlyAuthenticated,
    answer::{self, Answer, Nothing},
    ingress::{Context, JsonBody, PathId, demand_recent},
    state::State,
    to_the_end::to_the_end,
    v1::passkey_answers::RegistrationCredentialBody,
};

/// Options for `navigator.credentials.create()`.
#[derive(Serialize, ToSchema)]
#[schema(as = EnrolmentOptions)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnrolmentOptionsView {
    /// `PublicKeyCredentialCreationOptionsJSON`, for `PublicKeyCredential.parseCreationOptionsFromJSON()`.
    #[schema(value_type = Object)]
    public_key: Value,
}

/// A new passkey.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnrolBody {
    #[garde(dive)]
    credential: RegistrationCredentialBody,
    /// The name that its owner gives it.
    #[garde(inner(length(chars, max = DisplayName::MAX_LENGTH)))]
    #[schema(min_length = 1, max_length = 80, example = "My phone")]
    name: Option<String>,
}

impl EnrolBody {
    fn into_command(self) -> Result<Enrol, Problem> {
        Ok(Enrol {
            name: name_of(self.name.as_deref())?,
            answer: self.credential.into_answer()?,
        })
    }
}

/// The new name; null removes it.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RenameBody {
    #[serde(deserialize_with = "Option::deserialize")]
    #[garde(inner(length(chars, max = DisplayName::MAX_LENGTH)))]
    #[schema(
        required,
        min_length = 1,
        max_length = 80,
        example = "The key in the drawer"
    )]
    name: Option<String>,
}

/// A passkey of the account.
#[derive(Serialize, ToSchema)]
#[schema(as = Passkey)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyItem {
    id: Uuid,
    /// Its credential id, base64url without padding, as in `PublicKeyCredential.id`.
    #[schema(example = "3q2-7wABAgM")]
    credential_id: String,
    #[schema(required, example = "My phone")]
    name: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When it was last used to sign in.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    last_used_at: Option<OffsetDateTime>,
    /// Whether it can be synced to other devices, for example by a password manager.
    backup_eligible: bool,
    /// Whether it was backed up when it was last used.
    backed_up: bool,
    /// The model of its device or password manager, if known.
    #[schema(required)]
    aaguid: Option<Uuid>,
}

/// All passkeys of an account, and the arguments for `PublicKeyCredential.signalAllAcceptedCredentials()`.
#[derive(Serialize, ToSchema)]
#[schema(as = PasskeyList)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyListView {
    items: Vec<PasskeyItem>,
    /// `rpId`: the domain that the passkeys belong to.
    #[schema(example = "fashionistar.example")]
    rp_id: String,
    /// `userId`: the user handle that devices store with the passkeys, base64url without padding.
    #[schema(example = "AAECAwQFBgcICQoLDA0ODw")]
    user_handle: String,
    /// `allAcceptedCredentialIds`: the credential ids of all items.
    credential_ids: Vec<String>,
}

/// Get options for adding a passkey.
///
/// Requires a recent sign-in. The response is accepted once, within five minutes and in this session. Requesting
/// new options invalidates the previous ones.
#[utoipa::path(post, path = "/api/v1/me/passkeys/options", operation_id = "my_passkey_options", tag = "passkeys",
    responses((status = 200, description = "The options.", body = Answer<EnrolmentOptionsView>)))]
pub(crate) async fn options(
    state: State,
    who: RecentlyAuthenticated,
) -> Result<HttpResponse, Problem> {
    let public_key =
        to_the_end(async move { state.passkeys.begin_enrolment(who.session()).await }).await?;
    let data = EnrolmentOptionsView { public_key };
    Ok(answer::ok("Create a passkey", data))
}

/// Add a passkey.
///
/// Requires a recent sign-in. The options are used up whether or not this succeeds.
#[utoipa::path(post, path = "/api/v1/me/passkeys", operation_id = "add_my_passkey", tag = "passkeys",
    request_body = EnrolBody,
    responses((status = 201, description = "Added.", body = Answer<PasskeyItem>)))]
pub(crate) async fn enrol(
    state: State,
    request: HttpRequest,
    Context(context): Context,
    who: Authenticated,
    body: Result<JsonBody<EnrolBody>, Problem>,
) -> Result<HttpResponse, Problem> {
    let recent = demand_recent(&request, who.session()).await;
    let command = body.and_then(|JsonBody(body)| body.into_command());
    let added = match recent {
        Ok(()) => {
            let command = command?;
            to_the_end(async move {
                let passkeys = &state.passkeys;
                passkeys.enrol(who.session(), &command, &context).await
            })
            .await?
        }
        Err(refusal) => {
            let Ok(command) = command else {
                return Err(refusal);
            };
            to_the_end(async move {
                let passkeys = &state.passkeys;
                passkeys
                    .enrolled_before(who.session(), &command, &context)
                    .await
            })
            .await?
            .ok_or(refusal)?
        }
    };
    let data = PasskeyItem::from(added);
    Ok(answer::with_status(
        StatusCode::CREATED,
        "Passkey added",
        data,
    ))
}

/// Your passkeys, oldest first.
///
/// All on one page. The answer also has the data with which a page tells devices to stop offering passkeys that
/// were removed here.
#[utoipa::path(get, path = "/api/v1/me/passkeys", operation_id = "list_my_passkeys", tag = "passkeys",
    responses((status = 200, description = "The whole list.", body = Answer<PasskeyListView>)))]
pub(crate) async fn list(state: State, who: Authenticated) -> Result<HttpResponse, Problem> {
    let list = state.passkeys.list(who.session()).await?;
    Ok(answer::ok("Your passkeys", PasskeyListView::from(list)))
}

/// Rename a passkey.
#[utoipa::path(patch, path = "/api/v1/me/passkeys/{id}", operation_id = "rename_my_passkey", tag = "passkeys",
    params(("id" = Uuid, Path, description = "The id.")),
    request_body = RenameBody,
    responses((status = 200, description = "The updated passkey.", body = Answer<PasskeyItem>)))]
pub(crate) async fn rename(
    state: State,
    Context(context): Context,
    who: Authenticated,
    PathId(passkey): PathId<Passkey>,
    JsonBody(body): JsonBody<RenameBody>,
) -> Result<HttpResponse, Problem> {
    let name = name_of(body.name.as_deref())?;
    let renamed = to_the_end(async move {
        let (passkeys, name) = (&state.passkeys, name.as_ref());
        let who = who.session();
        passkeys.rename(who, passkey, name, &context).await
    })
    .await?;
    Ok(answer::ok("Passkey renamed", PasskeyItem::from(renamed)))
}

/// Remove a passkey.
///
/// Requires a recent sign-in. Ends all other sessions of the account. The last passkey can't be removed (409
/// `last_way_in`) if the account has no password and no linked provider, and can't be signed in to with a code
/// alone.
#[utoipa::path(delete, path = "/api/v1/me/passkeys/{id}", operation_id = "remove_my_passkey", tag = "passkeys",
    params(("id" = Uuid, Path, description = "The id.")),
    responses((status = 200, description = "Removed.", body = Answer<Nothing>)))]
pub(crate) async fn remove(
    state: State,
    Context(context): Context,
    who: RecentlyAuthenticated,
    PathId(passkey): PathId<Passkey>,
) -> Result<HttpResponse, Problem> {
    to_the_end(async move {
        let passkeys = &state.passkeys;
        passkeys.remove(who.session(), passkey, &context).await
    })
    .await?;
    Ok(answer::ok("Passkey removed", Nothing {}))
}

fn name_of(typed: Option<&str>) -> Result<Option<DisplayName>, Problem> {
    let name = typed.map(DisplayName::parse).transpose();
    name.map_err(|invalid| {
        Problem::invalid_field(FieldError::new("name", invalid.code(), invalid.to_string()))
    })
}

impl From<PasskeyView> for PasskeyItem {
    fn from(view: PasskeyView) -> Self {
        Self {
            id: view.id.as_uuid(),
            credential_id: URL_SAFE_NO_PAD.encode(&view.credential_id.0),
            name: view.name.map(|name| name.as_str().to_owned()),
            created_at: view.created_at,
            last_used_at: view.last_used_at,
            backup_eligible: view.backup_eligible,
            backed_up: view.backed_up,
            aaguid: view.aaguid,
        }
    }
}

impl From<PasskeyList> for PasskeyListView {
    fn from(list: PasskeyList) -> Self {
        let items: Vec<_> = list.passkeys.into_iter().map(PasskeyItem::from).collect();
        Self {
            credential_ids: items.iter().map(|it| it.credential_id.clone()).collect(),
            items,
            rp_id: list.rp_id,
            user_handle: URL_SAFE_NO_PAD.encode(list.user_handle.0),
        }
    }
}
