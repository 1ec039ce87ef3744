//! Taking a way in away must not lock its owner out.

/// The ways into an account that are left when one of them goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is there or is not, whatever the others are"
)]
pub struct WaysIn {
    /// There is a password.
    pub password: bool,
    /// An account at an identity provider is linked.
    pub federated: bool,
    /// There is a passkey.
    pub passkey: bool,
    /// A code that is sent to the identifier opens the account by itself. It does not where a provider alone
    /// vouched for the address, which was never written to, and who reads there now is not known; nor at a number
    /// that was silent for long.
    pub code: bool,
}

/// Without it there would be no way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is the last way into the account")]
pub struct LastWayIn;

impl WaysIn {
    /// Whether one is left.
    ///
    /// # Errors
    /// [`LastWayIn`] when there is none.
    pub const fn suffice(self) -> Result<(), LastWayIn> {
        if self.password || self.federated || self.passkey || self.code {
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
        code: false,
    };

    #[test]
    fn without_any_the_one_that_goes_is_the_last() {
        assert_eq!(NONE.suffice(), Err(LastWayIn));
    }

    #[test]
    fn one_of_them_is_enough() {
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
            WaysIn { code: true, ..NONE },
        ] {
            assert_eq!(enough.suffice(), Ok(()), "{enough:?}");
        }
    }
}
