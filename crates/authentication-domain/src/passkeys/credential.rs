//! The state of a passkey, and the changes that its next use may make.

use std::fmt;

use common::Id;
use sha2::{Digest as _, Sha256};

/// Type marker for passkey ids.
#[derive(Debug)]
pub enum Passkey {}
/// Identifies a passkey of an account to its owner. Different from the credential id, which the device
/// assigns.
pub type PasskeyId = Id<Passkey>;

/// SHA-256 of a credential id, used to look up a passkey. The id itself is stored encrypted under the
/// person's key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CredentialDigest(pub [u8; 32]);

impl CredentialDigest {
    /// Maximum length of a credential id in bytes (Level 3 §7.1 step 25).
    pub const LONGEST_ID: usize = 1023;

    /// The digest of an id as the device sent it.
    pub fn of(credential_id: &[u8]) -> Self {
        Self(Sha256::digest(credential_id).into())
    }
}

impl fmt::Debug for CredentialDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, ..] = self.0;
        write!(f, "CredentialDigest({first:02x}{second:02x}…)")
    }
}

/// The user handle that a device stores with a passkey: opaque bytes (Level 3 §14.6.1), the same for all
/// passkeys of an account.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UserHandle(pub [u8; 16]);

impl fmt::Debug for UserHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserHandle(…)")
    }
}

/// The authenticator state that the device signs with every use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialState {
    /// The signature counter; always 0 for devices that do not count.
    pub counter: u32,
    /// Whether the key may ever leave the device. Fixed at creation.
    pub backup_eligible: bool,
    /// Whether a copy is currently stored elsewhere.
    pub backed_up: bool,
}

/// Why a valid signature is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UseRefused {
    /// The signature counter did not increase, so the passkey may have been copied.
    #[error("the signature counter did not grow")]
    CounterRegressed,
    /// The passkey is backed up without being eligible, or its eligibility changed (Level 3 §6.1.3).
    #[error("the backup flags contradict each other or the enrolment")]
    ImpossibleBackupState,
}

impl CredentialState {
    /// Whether the flags are consistent: only an eligible passkey can be backed up.
    pub const fn is_possible(self) -> bool {
        self.backup_eligible || !self.backed_up
    }

    /// The state after a use (Level 3 §7.2 steps 18, 19 and 22).
    ///
    /// A counter that does not increase is refused, with two exceptions: neither side counts, or the passkey
    /// is backed up and so used on several devices, whose counters are independent. Backup eligibility is
    /// fixed at enrolment, so a stolen copy of a device-bound key cannot claim to be backed up.
    ///
    /// # Errors
    /// [`UseRefused`].
    pub fn after_use(self, signed: Self) -> Result<Self, UseRefused> {
        if self.backup_eligible != signed.backup_eligible || !signed.is_possible() {
            return Err(UseRefused::ImpossibleBackupState);
        }
        let counts = self.counter > 0 || signed.counter > 0;
        if counts && signed.counter <= self.counter && !signed.backed_up {
            return Err(UseRefused::CounterRegressed);
        }
        Ok(Self {
            counter: signed.counter.max(self.counter),
            ..signed
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn bound(counter: u32) -> CredentialState {
        CredentialState {
            counter,
            backup_eligible: false,
            backed_up: false,
        }
    }

    const fn synced(counter: u32) -> CredentialState {
        CredentialState {
            counter,
            backup_eligible: true,
            backed_up: true,
        }
    }

    /// T28.
    #[test]
    fn a_counter_has_to_grow() {
        let known = bound(10);
        assert_eq!(known.after_use(bound(11)), Ok(bound(11)));
        for stale in [10, 9, 1, 0] {
            let refused = known.after_use(bound(stale));
            assert_eq!(refused, Err(UseRefused::CounterRegressed), "{stale}");
        }
    }

    /// T28.
    #[test]
    fn a_device_that_does_not_count_need_not() {
        assert_eq!(bound(0).after_use(bound(0)), Ok(bound(0)));
        assert_eq!(bound(0).after_use(bound(7)), Ok(bound(7)));
    }

    #[test]
    fn copies_of_a_backed_up_passkey_count_each_for_themselves() {
        for counter in [0, 3, 10] {
            assert_eq!(synced(10).after_use(synced(counter)), Ok(synced(10)));
        }
        // It was backed up before but is not any more, so its counter must increase again.
        let alone = CredentialState {
            backed_up: false,
            ..synced(9)
        };
        let refused = synced(10).after_use(alone);
        assert_eq!(refused, Err(UseRefused::CounterRegressed));
    }

    #[test]
    fn a_copy_cannot_declare_itself_a_backup() {
        for claimed in [
            synced(0),
            CredentialState {
                backup_eligible: false,
                ..synced(11)
            },
        ] {
            let refused = bound(10).after_use(claimed);
            assert_eq!(refused, Err(UseRefused::ImpossibleBackupState));
        }
        let refused = synced(10).after_use(bound(11));
        assert_eq!(refused, Err(UseRefused::ImpossibleBackupState));
    }

    #[test]
    fn a_digest_and_a_handle_show_nothing_of_whom_they_are_for() {
        let digest = CredentialDigest::of(b"a credential id");
        assert_eq!(format!("{digest:?}").len(), "CredentialDigest(0000…)".len());
        assert_eq!(format!("{:?}", UserHandle([7; 16])), "UserHandle(…)");
    }

    proptest! {
        #[test]
        fn what_is_known_of_a_counter_never_shrinks(
            known in any::<u32>(), signed in any::<u32>(), backed_up: bool, eligible: bool, now: bool,
        ) {
            let known = CredentialState { counter: known, backup_eligible: eligible, backed_up };
            let signed = CredentialState { counter: signed, backup_eligible: eligible, backed_up: now };
            if let Ok(after) = known.after_use(signed) {
                prop_assert!(after.counter >= known.counter);
                prop_assert!(after.is_possible());
            }
        }
    }
}
