//! Taking a passkey away must not lock its owner out.

/// The ways into an account beside the passkey that is to go.
///
/// A code by mail or SMS does not count: it proves the identifier, which the person may be about to lose, and
/// is what a stranger with the mailbox has too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaysIn {
    /// There is a password.
    pub password: bool,
    /// An account at another provider is linked.
    pub federated: bool,
    /// Other passkeys.
    pub passkeys: usize,
}

/// Without it there would be no way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is the last way into the account")]
pub struct LastWayIn;

impl WaysIn {
    /// Whether they are enough by themselves.
    ///
    /// # Errors
    /// [`LastWayIn`] when there is none.
    pub const fn suffice(self) -> Result<(), LastWayIn> {
        if self.password || self.federated || self.passkeys > 0 {
            Ok(())
        } else {
            Err(LastWayIn)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_way_in_is_left() {
        let none = WaysIn {
            password: false,
            federated: false,
            passkeys: 0,
        };
        assert_eq!(none.suffice(), Err(LastWayIn));
        for enough in [
            WaysIn {
                password: true,
                ..none
            },
            WaysIn {
                federated: true,
                ..none
            },
            WaysIn {
                passkeys: 1,
                ..none
            },
        ] {
            assert_eq!(enough.suffice(), Ok(()));
        }
    }
}
