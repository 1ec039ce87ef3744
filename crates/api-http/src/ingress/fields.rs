//! Parses text into domain values, and collects all refusals of a form.

use authentication_app::mfa::SecondProof;
use authentication_domain::{
    accounts::{EmailAddress, Identifier, PhoneNumber},
    challenges::{CodeFormat, OneTimeCode},
    credentials::{PlainPassword, UnusablePassword},
    mfa::{RecoveryCode, SecondFactor},
    opaque_token::OpaqueToken,
    profiles::{
        InvalidText,
        country::{self, Country},
    },
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{FieldError, Problem};

/// The refusals of a form, collected so that a person sees all of them at once.
#[derive(Default)]
pub(crate) struct Refusals(Vec<FieldError>);

impl Refusals {
    /// Returns the value, or stores its refusal.
    pub(crate) fn keep<T>(&mut self, parsed: Result<T, FieldError>) -> Option<T> {
        parsed.map_err(|refused| self.0.push(refused)).ok()
    }
}

impl From<Refusals> for Problem {
    fn from(refusals: Refusals) -> Self {
        Self::invalid(refusals.0)
    }
}

/// The country for numbers that are not in international form.
pub(crate) fn country_of(typed: Option<&str>) -> Result<Option<&'static Country>, FieldError> {
    let found = typed.map(|typed| country::find(typed).ok_or(InvalidText::UnknownCountry));
    found
        .transpose()
        .map_err(|unknown| FieldError::new("country", unknown.code(), unknown.to_string()))
}

/// The identifier from exactly one of the three fields; a phone number may be in the national form of `country`.
pub(crate) fn identifier_of(
    identifier: Option<&str>,
    email: Option<&str>,
    phone: Option<&str>,
    country: Option<&Country>,
) -> Result<Identifier, FieldError> {
    match (identifier, email, phone) {
        (Some(typed), None, None) => Identifier::parse_in(typed, country).map_err(|wrong| {
            FieldError::new("identifier", "invalid_identifier", wrong.to_string())
        }),
        (None, Some(typed), None) => EmailAddress::parse(typed)
            .map(Identifier::Email)
            .map_err(|wrong| FieldError::new("email", "invalid_email", wrong.to_string())),
        (None, None, Some(typed)) => PhoneNumber::parse_in(typed, country)
            .map(Identifier::Phone)
            .map_err(|wrong| FieldError::new("phone", "invalid_phone", wrong.to_string())),
        _ => Err(FieldError::new(
            "identifier",
            "exactly_one_required",
            "send exactly one of identifier, email and phone",
        )),
    }
}

/// A well-formed password.
pub(crate) fn plain_password(
    field: &'static str,
    typed: &SecretString,
) -> Result<PlainPassword, FieldError> {
    PlainPassword::from_typed(typed).map_err(|unusable| {
        let code = match unusable {
            UnusablePassword::Empty => "required",
            UnusablePassword::TooLong { .. } => "too_long",
            UnusablePassword::ControlCharacter => "control_characters",
        };
        FieldError::new(field, code, unusable.to_string())
    })
}

const NO_CODE: &str = "must be six digits, or twelve letters and digits";

/// A well-formed one-time code.
pub(crate) fn one_time_code(typed: &str) -> Result<OneTimeCode, FieldError> {
    OneTimeCode::parse(typed).ok_or_else(|| FieldError::new("code", "invalid_format", NO_CODE))
}

/// A well-formed challenge id or mailed token.
pub(crate) fn opaque_token(field: &'static str, sent: String) -> Result<OpaqueToken, FieldError> {
    OpaqueToken::from_client(sent)
        .ok_or_else(|| FieldError::new(field, "invalid_format", "send it exactly as received"))
}

/// A second factor that is verified with a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CodeMethod {
    /// A code of an authenticator app.
    Totp,
    /// One of the codes that were shown when a factor was set up.
    RecoveryCode,
    /// A code by mail or SMS.
    Otp,
}

/// A well-formed code of a second factor.
pub(crate) fn second_proof(
    method: CodeMethod,
    typed: SecretString,
) -> Result<SecondProof, FieldError> {
    let text = typed.expose_secret();
    let (factor, well_formed, form) = match method {
        CodeMethod::Totp => (
            SecondFactor::Totp,
            OneTimeCode::parse(text).is_some_and(|it| it.format() == CodeFormat::Digits),
            "must be six digits",
        ),
        CodeMethod::Otp => (
            SecondFactor::OneTimeCode,
            OneTimeCode::parse(text).is_some(),
            NO_CODE,
        ),
        CodeMethod::RecoveryCode => (
            SecondFactor::RecoveryCode,
            RecoveryCode::parse(text).is_some(),
            "must be 24 letters and digits",
        ),
    };
    if well_formed {
        Ok(SecondProof { factor, typed })
    } else {
        Err(FieldError::new("code", "invalid_format", form))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(parsed: Result<Identifier, FieldError>) -> String {
        parsed.map_or_else(|refused| refused.code.into_owned(), |it| it.to_text())
    }

    #[test]
    fn exactly_one_field_names_the_identifier() {
        let (mail, phone) = (Some("ada@example.com"), Some("+2348012345678"));
        let of = |one, two, three| code(identifier_of(one, two, three, None));
        assert_eq!(of(mail, None, None), "ada@example.com");
        assert_eq!(of(phone, None, None), "+2348012345678");
        assert_eq!(of(None, mail, None), "ada@example.com");
        assert_eq!(of(None, None, phone), "+2348012345678");
        for (one, two, three) in [
            (None, None, None),
            (mail, mail, None),
            (None, mail, phone),
            (mail, None, phone),
            (mail, mail, phone),
        ] {
            assert_eq!(of(one, two, three), "exactly_one_required");
        }
    }

    #[test]
    fn each_field_takes_its_own_kind() {
        let (mail, phone) = (Some("ada@example.com"), Some("+2348012345678"));
        let of = |one, two, three| code(identifier_of(one, two, three, None));
        assert_eq!(of(None, phone, None), "invalid_email");
        assert_eq!(of(None, None, mail), "invalid_phone");
        assert_eq!(of(Some("ada"), None, None), "invalid_identifier");
    }

    #[test]
    fn a_number_is_read_as_its_country_dials_it() {
        let dialled = Some("0801 234 5678");
        let nigeria = country_of(Some("ng")).unwrap();
        for (one, three) in [(dialled, None), (None, dialled)] {
            assert_eq!(
                code(identifier_of(one, None, three, nigeria)),
                "+2348012345678"
            );
            assert!(identifier_of(one, None, three, None).is_err());
        }
        assert_eq!(country_of(Some("ZZ")).unwrap_err().code, "unknown_country");
        assert!(matches!(country_of(None), Ok(None)));
    }

    #[test]
    fn all_refusals_of_a_form_are_told() {
        let mut refusals = Refusals::default();
        assert!(
            refusals
                .keep(identifier_of(None, None, None, None))
                .is_none()
        );
        assert!(
            refusals
                .keep(plain_password("password", &SecretString::from("")))
                .is_none()
        );
        assert_eq!(Problem::from(refusals).errors().len(), 2);
    }
}
