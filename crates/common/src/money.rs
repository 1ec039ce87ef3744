//! Amounts of money in minor units.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// ISO 4217 alphabetic currency code, upper case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// Naira: the default currency of an account whose country has none.
    pub const NGN: Self = Self(*b"NGN");

    /// The three-letter code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }
}

/// The text is not three ASCII letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a currency is three letters of ISO 4217")]
pub struct MalformedCurrency;

impl FromStr for Currency {
    type Err = MalformedCurrency;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let letters: [u8; 3] = text.as_bytes().try_into().map_err(|_| MalformedCurrency)?;
        if letters.iter().all(u8::is_ascii_alphabetic) {
            Ok(Self(letters.map(|letter| letter.to_ascii_uppercase())))
        } else {
            Err(MalformedCurrency)
        }
    }
}
impl TryFrom<String> for Currency {
    type Error = MalformedCurrency;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}
impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}
impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An amount in the minor unit of its currency (kobo, cents). Never a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// The number of minor units.
    pub minor: i64,
    /// The currency of those units.
    pub currency: Currency,
}

impl Money {
    /// Zero in `currency`.
    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// The sum; `None` when the currencies differ or the amount overflows.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        if self.currency != other.currency {
            return None;
        }
        let minor = self.minor.checked_add(other.minor)?;
        Some(Self { minor, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_of_two_currencies_does_not_add_up() {
        let naira = Money {
            minor: 5,
            currency: Currency::NGN,
        };
        let euro = Money {
            minor: 5,
            currency: "eur".parse().unwrap(),
        };
        assert_eq!(naira.checked_add(euro), None);
        assert_eq!(naira.checked_add(naira).map(|sum| sum.minor), Some(10));
        let most = Money {
            minor: i64::MAX,
            ..naira
        };
        assert_eq!(most.checked_add(naira), None);
    }

    #[test]
    fn a_currency_is_three_letters() {
        assert_eq!("usd".parse::<Currency>().unwrap().as_str(), "USD");
        for bad in ["", "US", "USDX", "U5D", "€€€"] {
            assert_eq!(bad.parse::<Currency>(), Err(MalformedCurrency), "{bad:?}");
        }
    }
}
