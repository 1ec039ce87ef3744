use authentication_app::{
    accounts::AccountView,
    sessions::{SignedIn, TokenSet},
};
use authentication_domain::{
    accounts::{Account, AccountStatus, Identifier},
    mfa::SecondFactors,
    profiles::{DisplayName, Profile},
};
use common::{
    Id,
    access::{Role, Roles},
    money::{Currency, Money},
    timestamps::Timestamps,
};
use time::macros::datetime;
use uuid::Uuid;

use super::*;

fn account(identifier: &str, profile: Profile) -> AccountView {
    let identifier = Identifier::parse(identifier).unwrap();
    AccountView {
        account: Account {
            id: Id::from_uuid(Uuid::from_u128(1)),
            sign_up_method: identifier.method(),
            status: AccountStatus::Active,
            roles: Roles::from(Role::Vendor).with(Role::Client),
            version: 1,
            timestamps: Timestamps::new(datetime!(2026-01-01 00:00:00.123456 UTC)),
        },
        identifier,
        profile,
        wallet: Money {
            minor: 1_250,
            currency: Currency::NGN,
        },
        second_factors: SecondFactors::default(),
    }
}

#[test]
fn signing_in_shows_the_account_and_its_tokens() {
    let profile = Profile {
        display_name: DisplayName::parse("Ada").ok(),
        country: Some("NG".to_owned()),
        ..Profile::default()
    };
    let view = SignedInView::from(SignedIn {
        account: account("ada@example.com", profile),
        tokens: TokenSet {
            access_token: "access".to_owned().into(),
            expires_in_seconds: 600,
            refresh_token: "refresh".to_owned().into(),
            refresh_expires_in_seconds: 1_209_600,
            session: Id::from_uuid(Uuid::from_u128(2)),
        },
        device_token: "device".to_owned().into(),
    });
    insta::assert_json_snapshot!(view);
}

#[test]
fn an_account_shows_one_identifier_and_null_for_what_was_never_told() {
    let view = UserView::from(account("+2348012345678", Profile::default()));
    insta::assert_json_snapshot!(view);
}
