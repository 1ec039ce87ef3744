//! Taking a way in away must not lock its owner out.

use crate::accounts::SignUpMethod;

/// The ways into an account that are left when one of them goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaysIn {
    /// There is a password.
    pub password: bool,
    /// An account at an identity provider is linked.
    pub federated: bool,
    /// There is a passkey.
    pub passkey: bool,
    /// How the account came to the identifier that it has.
    pub sign_up_method: SignUpMethod,
}

/// Without it there would be no way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is the last way into the account")]
pub struct LastWayIn;

impl WaysIn {
    /// Whether one is left.
    ///
    /// A code to the identifier is one where the person proved the identifier to us. The address of an account
    /// that a provider vouched for was never written to, and who reads there now is not known.
    ///
    /// # Errors
    /// [`LastWayIn`] when there is none.
    pub const fn suffice(self) -> Result<(), LastWayIn> {
        let by_code = !matches!(self.sign_up_method, SignUpMethod::Google);
        if self.password || self.federated || self.passkey || by_code {
            Ok(())
        } else {
            Err(LastWayIn)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: WaysIn = WaysIn {
        password: false,
        federated: false,
        passkey: false,
        sign_up_method: SignUpMethod::Google,
    };

    #[test]
    fn without_any_the_one_that_goes_is_the_last() {
        assert_eq!(NONE.suffice(), Err(LastWayIn));
    }

    #[test]
    fn one_of_them_is_enough() {
        let of = |sign_up_method| WaysIn {
            sign_up_method,
            ..NONE
        };
        for enough in [
            WaysIn {
                password: true,
                ..NONE
            },
            WaysIn {
                federated: true,
                ..NONE
            },
            WaysIn {
                passkey: true,
                ..NONE
            },
            of(SignUpMethod::Email),
            of(SignUpMethod::Phone),
        ] {
            assert_eq!(enough.suffice(), Ok(()), "{enough:?}");
        }
    }
}
