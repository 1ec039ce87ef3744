//! An account, as its owner sees it.

use authentication_app::accounts::AccountView;
use authentication_domain::{
    accounts::{AccountStatus, Identifier},
    profiles::DisplayName,
};
use common::access::{Role, Roles};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::{
    ToSchema,
    openapi::{Array, ArrayBuilder, Object, ObjectBuilder, Type},
};
use uuid::Uuid;

use crate::v1::me::mfa::MfaView;

/// An account.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserView {
    id: Uuid,
    /// How the account was created: `email`, `phone` or `google`. With `google`, `email` is the address that Google
    /// verified.
    #[schema(value_type = String, example = "email")]
    auth_method: &'static str,
    /// Present unless `auth_method` is `phone`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "email", example = "ada@example.com")]
    email: Option<String>,
    /// E.164. Present only if `auth_method` is `phone`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "+2348012345678")]
    phone: Option<String>,
    #[schema(schema_with = status_names)]
    status: &'static str,
    #[schema(schema_with = role_names)]
    roles: Roles,
    /// The name that others see.
    #[schema(required, example = "Ada")]
    display_name: Option<String>,
    profile: ProfileView,
    wallet: WalletView,
    mfa: MfaView,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

/// What the person has entered; null if nothing.
#[derive(Serialize, ToSchema)]
#[schema(as = Profile)]
#[serde(deny_unknown_fields)]
struct ProfileView {
    #[schema(required, example = "Ada")]
    first_name: Option<String>,
    #[schema(required, example = "Lovelace")]
    last_name: Option<String>,
    /// ISO 3166-1 alpha-2.
    #[schema(required, example = "NG")]
    country: Option<String>,
    /// BCP 47 language tag.
    #[schema(required, example = "en")]
    language: Option<String>,
}

/// A balance.
#[derive(Serialize, ToSchema)]
#[schema(as = Wallet)]
#[serde(deny_unknown_fields)]
struct WalletView {
    /// In the minor unit of the currency: kobo, cents.
    #[schema(example = 0)]
    balance_minor: i64,
    /// ISO 4217.
    #[schema(example = "NGN")]
    currency: String,
}

impl From<AccountView> for UserView {
    fn from(view: AccountView) -> Self {
        let text = view.identifier.to_text();
        let (email, phone) = match view.identifier {
            Identifier::Email(_) => (Some(text), None),
            Identifier::Phone(_) => (None, Some(text)),
        };
        let shown = |name: Option<DisplayName>| name.map(|name| name.as_str().to_owned());
        Self {
            id: view.account.id.as_uuid(),
            auth_method: view.account.sign_up_method.as_str(),
            email,
            phone,
            status: view.account.status.as_str(),
            roles: view.account.roles,
            display_name: shown(view.profile.display_name),
            profile: ProfileView {
                first_name: shown(view.profile.first_name),
                last_name: shown(view.profile.last_name),
                country: view.profile.country,
                language: view.profile.language,
            },
            wallet: WalletView {
                balance_minor: view.wallet.minor,
                currency: view.wallet.currency.to_string(),
            },
            mfa: view.second_factors.into(),
            created_at: view.account.timestamps.created_at,
            updated_at: view.account.timestamps.updated_at,
        }
    }
}

fn role_names() -> Array {
    let role = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(Role::ALL.map(Role::as_str)));
    ArrayBuilder::new()
        .items(role)
        .description(Some("The person's roles in the marketplace."))
        .build()
}

fn status_names() -> Object {
    let since = OffsetDateTime::UNIX_EPOCH;
    let states = [
        AccountStatus::Pending,
        AccountStatus::Active,
        AccountStatus::Suspended { since },
        AccountStatus::Deleted { since },
    ];
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(states.map(AccountStatus::as_str)))
        .description(Some("The state of the account."))
        .build()
}
