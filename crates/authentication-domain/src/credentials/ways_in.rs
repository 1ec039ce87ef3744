//! Removing a way to sign in must not lock the owner out.

/// The ways to sign in that remain after one is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is there or is not, whatever the others are"
)]
pub struct WaysIn {
    /// A password is set.
    pub password: bool,
    /// An account at an identity provider is linked.
    pub federated: bool,
    /// A passkey is enrolled.
    pub passkey: bool,
    /// A code sent to the identifier is enough to open the account. This is not the case where only a
    /// provider vouched for the address: the service never sent anything there, so it does not know who reads
    /// it. Nor for a phone number that has not been proven for a long time.
    pub code: bool,
}

/// The removal would leave no way to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is the last way into the account")]
pub struct LastWayIn;

impl WaysIn {
    /// Whether at least one way to sign in remains.
    ///
    /// # Errors
    /// [`LastWayIn`] when none remains.
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
