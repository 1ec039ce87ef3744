//! Ids from the predecessor system.

use std::fmt;

use uuid::Uuid;

/// The primary key of a row in Django's user table: a whole number or a UUID, in canonical form.
///
/// Other systems know the person by it, so they receive it together with the new id. It is neither secret nor
/// personal data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegacyId(String);

/// The text is neither a whole number nor a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither a whole number nor a UUID")]
pub struct InvalidLegacyId;

impl LegacyId {
    /// # Errors
    /// [`InvalidLegacyId`].
    pub fn parse(text: &str) -> Result<Self, InvalidLegacyId> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = text.parse::<u64>().map_err(|_| InvalidLegacyId)?;
            return Ok(Self::from(number));
        }
        let id = Uuid::try_parse(text).map_err(|_| InvalidLegacyId)?;
        Ok(Self(id.hyphenated().to_string()))
    }

    /// The canonical form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<u64> for LegacyId {
    fn from(number: u64) -> Self {
        Self(number.to_string())
    }
}

impl fmt::Display for LegacyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_has_one_id_however_it_is_written() {
        let form = |text| LegacyId::parse(text).unwrap().to_string();
        for (text, expected) in [
            ("7", "7"),
            ("007", "7"),
            ("18446744073709551615", "18446744073709551615"),
            (
                "0190B3A0-1B2C-7D3E-8F40-0123456789AB",
                "0190b3a0-1b2c-7d3e-8f40-0123456789ab",
            ),
            (
                "0190b3a01b2c7d3e8f400123456789ab",
                "0190b3a0-1b2c-7d3e-8f40-0123456789ab",
            ),
        ] {
            assert_eq!(form(text), expected);
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for bad in ["", " 7", "-7", "7.0", "ada", "18446744073709551616", "1e3"] {
            assert_eq!(LegacyId::parse(bad), Err(InvalidLegacyId), "{bad:?}");
        }
    }
}
