//! One line of the file, as a user of Django.

use authentication_app::imports::LegacyUser;
use authentication_domain::accounts::{LegacyId, SignUpMethod};
use secrecy::SecretString;
use serde_json::Value;

use super::json::{Fields, LineFault};

/// The content of a line.
pub(super) struct Told {
    /// Known even if the line has other errors.
    pub(super) id: Option<LegacyId>,
    pub(super) user: Result<LegacyUser, LineFault>,
    /// Names of fields that the import ignores.
    pub(super) left_out: Vec<String>,
}

impl Told {
    const fn faulty(id: Option<LegacyId>, fault: LineFault) -> Self {
        Self {
            id,
            user: Err(fault),
            left_out: Vec::new(),
        }
    }
}

/// Parses a line; `None` is a line that was too long.
pub(super) fn read(line: Option<&[u8]>) -> Told {
    let fields = line
        .ok_or(LineFault::TooLong)
        .and_then(Fields::parse)
        .and_then(|mut fields| Ok((id_of(fields.take("id"))?, fields)));
    let (id, mut fields) = match fields {
        Ok(found) => found,
        Err(fault) => return Told::faulty(None, fault),
    };
    match user_of(id.clone(), &mut fields) {
        Ok(user) => Told {
            id: Some(id),
            user: Ok(user),
            left_out: fields.into_names().collect(),
        },
        Err(fault) => Told::faulty(Some(id), fault),
    }
}

fn id_of(value: Option<Value>) -> Result<LegacyId, LineFault> {
    match value {
        None => Err(LineFault::NoId),
        Some(Value::Number(number)) => number
            .as_u64()
            .map(LegacyId::from)
            .ok_or(LineFault::InvalidId),
        Some(Value::String(text)) => LegacyId::parse(&text).map_err(|_| LineFault::InvalidId),
        Some(_) => Err(LineFault::InvalidId),
    }
}

/// The flags that allow an account to sign in have no default: a field that the query omitted must not grant
/// access.
fn user_of(id: LegacyId, fields: &mut Fields) -> Result<LegacyUser, LineFault> {
    let required = |field| LineFault::Missing { field };
    Ok(LegacyUser {
        id,
        email: fields.text("email")?,
        phone: fields.text("phone")?,
        identifier: method_of(fields)?,
        password: fields.text("password")?.map(SecretString::from),
        role: fields.text("role")?,
        is_verified: fields.flag("is_verified")?.ok_or(required("is_verified"))?,
        is_active: fields.flag("is_active")?.ok_or(required("is_active"))?,
        is_staff: fields.flag("is_staff")?.unwrap_or(false),
        is_superuser: fields.flag("is_superuser")?.unwrap_or(false),
        display_name: fields.text("display_name")?,
        first_name: fields.text("first_name")?,
        last_name: fields.text("last_name")?,
        country: fields.text("country")?,
        language: fields.text("language")?,
        date_joined: fields.time("date_joined")?,
        last_login: fields.time("last_login")?,
        balance_minor: fields.number("balance_minor")?,
        currency: fields.text("currency")?,
        identities: identities_of(fields)?,
    })
}

/// `google_sub`, and `identities`: an object of subjects by provider name. Only strings: a number as long as
/// Google's subjects has lost its last digits when it is parsed.
fn identities_of(fields: &mut Fields) -> Result<Vec<(String, String)>, LineFault> {
    let google = fields.subject("google_sub")?;
    let google = google.map(|subject| ("google".to_owned(), subject));
    let others = fields.subjects("identities")?;
    Ok(google.into_iter().chain(others).collect())
}

fn method_of(fields: &mut Fields) -> Result<Option<SignUpMethod>, LineFault> {
    let wrong = LineFault::WrongType {
        field: "identifier",
        wanted: "email or phone",
    };
    fields
        .text("identifier")?
        .map(|name| SignUpMethod::from_name(&name).ok_or(wrong))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#""is_verified":true,"is_active":true"#;

    fn fault(line: &str) -> Option<LineFault> {
        read(Some(line.as_bytes())).user.err()
    }

    #[test]
    fn a_line_is_read_in_djangos_words() {
        let line = r#"{"id":42,"email":"ada@example.com","phone":null,"is_verified":1,
            "is_active":false,"role":"vendor","date_joined":"2024-05-06T07:08:09.5+01:00",
            "balance_minor":-1,"avatar":"x.png","no name":1}"#;
        let told = read(Some(line.as_bytes()));
        let user = told.user.unwrap();
        assert_eq!(
            (user.id.as_str(), user.is_verified, user.is_active),
            ("42", true, false)
        );
        assert_eq!(user.email.as_deref(), Some("ada@example.com"));
        assert_eq!((user.phone, user.balance_minor), (None, Some(-1)));
        assert_eq!(user.date_joined.unwrap().unix_timestamp(), 1_714_975_689);
        let mut left_out = told.left_out;
        left_out.sort();
        assert_eq!(left_out, ["(no plain name)", "avatar"]);
    }

    #[test]
    fn what_is_no_line_of_ours_is_told_without_its_content() {
        let wrong = |field, wanted| Some(LineFault::WrongType { field, wanted });
        for (line, expected) in [
            ("{\"id\":1", Some(LineFault::NotJson { column: 7 })),
            ("ada@example.com", Some(LineFault::NotJson { column: 1 })),
            ("[1]", Some(LineFault::NotAnObject)),
            ("\"ada@example.com\"", Some(LineFault::NotAnObject)),
            (r#"{"id":1,"id":2}"#, Some(LineFault::NotAnObject)),
            ("{}", Some(LineFault::NoId)),
            (r#"{"id":null}"#, Some(LineFault::NoId)),
            (r#"{"id":-1}"#, Some(LineFault::InvalidId)),
            (r#"{"id":1.5}"#, Some(LineFault::InvalidId)),
            (r#"{"id":"ada"}"#, Some(LineFault::InvalidId)),
            (r#"{"id":true}"#, Some(LineFault::InvalidId)),
        ] {
            assert_eq!(fault(line), expected, "{line}");
        }
        assert_eq!(read(None).user.err(), Some(LineFault::TooLong));
        assert_eq!(
            read(Some(b"{\"id\":\xff}")).user.err(),
            Some(LineFault::NotUtf8)
        );
        for (fields, expected) in [
            (
                r#""is_active":true"#,
                Some(LineFault::Missing {
                    field: "is_verified",
                }),
            ),
            (
                r#""is_verified":true"#,
                Some(LineFault::Missing { field: "is_active" }),
            ),
            (r#""email":1"#, wrong("email", "a text")),
            (
                r#""is_verified":"yes""#,
                wrong("is_verified", "true or false"),
            ),
            (r#""is_verified":2"#, wrong("is_verified", "true or false")),
            (
                r#""identifier":"post""#,
                wrong("identifier", "email or phone"),
            ),
        ] {
            assert_eq!(
                fault(&format!("{{\"id\":1,{fields}}}")),
                expected,
                "{fields}"
            );
        }
        for (fields, field) in [
            (r#""balance_minor":1.5"#, "balance_minor"),
            (r#""date_joined":"2024-05-06 07:08:09""#, "date_joined"),
            (r#""last_login":1714975689"#, "last_login"),
        ] {
            let found = fault(&format!("{{\"id\":1,{GOOD},{fields}}}"));
            let Some(LineFault::WrongType { field: told, .. }) = found else {
                panic!("{fields}: {found:?}");
            };
            assert_eq!(told, field);
        }
    }

    #[test]
    fn subjects_are_texts_by_the_name_of_their_provider() {
        let identities = |fields: &str| {
            let line = format!("{{\"id\":1,{GOOD},{fields}}}");
            read(Some(line.as_bytes())).user.map(|user| user.identities)
        };
        let of = |name: &str, subject: &str| (name.to_owned(), subject.to_owned());
        let google = of("google", "107691503500061507151");
        for (fields, expected) in [
            (
                r#""google_sub":"107691503500061507151""#,
                vec![google.clone()],
            ),
            (r#""google_sub":null,"identities":null"#, vec![]),
            (r#""google_sub":"","identities":{"entra":null}"#, vec![]),
            (
                r#""google_sub":"107691503500061507151","identities":{"entra":"a","okta":" "}"#,
                vec![google, of("entra", "a")],
            ),
        ] {
            assert_eq!(identities(fields), Ok(expected), "{fields}");
        }
        for (fields, field) in [
            (r#""google_sub":107691503500061507151"#, "google_sub"),
            (r#""google_sub":true"#, "google_sub"),
            (r#""identities":["a"]"#, "identities"),
            (r#""identities":{"google":1}"#, "identities"),
        ] {
            let Err(LineFault::WrongType { field: told, .. }) = identities(fields) else {
                panic!("{fields}");
            };
            assert_eq!(told, field);
        }
    }

    #[test]
    fn a_faulty_line_still_says_whose_it_is() {
        let told = read(Some(br#"{"id":"007","email":1}"#));
        assert_eq!(told.id.unwrap().as_str(), "7");
        assert!(told.user.is_err());
    }
}
