//! The labels of facts. Each is a closed set: a value outside of it cannot be reported.

use authentication_domain::challenges::Purpose;

use crate::ports::Channel;

/// A closed set of label values.
pub trait Label: Copy + 'static {
    /// Every value.
    const ALL: &'static [Self];

    /// The value as dashboards and alerts spell it. Must never change.
    fn as_str(self) -> &'static str;

    /// Its index in [`Self::ALL`].
    fn position(self) -> usize;
}

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $word:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$of])* $variant,)+
        }

        impl Label for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            fn position(self) -> usize {
                self as usize
            }
        }
    )+};
}

labels! {
    /// How a person proves their identity.
    SignInMethod {
        /// With a password.
        Password = "password",
        /// With a code by mail or SMS.
        OneTimeCode = "one_time_code",
        /// With the second factor that was requested after a password or code.
        SecondFactor = "second_factor",
        /// With a passkey.
        Passkey = "passkey",
        /// Through Google.
        Google = "google",
        /// Through another provider.
        Provider = "provider",
    }

    /// The result of a sign-in attempt.
    SignInOutcome {
        /// A session began.
        Success = "success",
        /// The first factor was right, and a second one is required.
        SecondFactorAsked = "second_factor_asked",
        /// No such identifier, or a wrong proof.
        Refused = "refused",
        /// Refused without checking the proof, after too many failures.
        Locked = "locked",
        /// The proof was right, and the account is suspended.
        Suspended = "suspended",
        /// The hashing queue was full.
        Overloaded = "overloaded",
        /// A fault of this service or of a dependency.
        Failed = "failed",
    }

    /// How far a registration got.
    RegistrationOutcome {
        /// A challenge was issued; no account exists yet.
        Requested = "requested",
        /// The code was proven, and the account was created.
        Completed = "completed",
        /// Not allowed because of the password, the role, the idempotency key or the recipient's quota.
        Refused = "refused",
        /// The hashing queue was full.
        Overloaded = "overloaded",
        /// A fault of this service or of a dependency.
        Failed = "failed",
    }

    /// The result of a refresh.
    RefreshOutcome {
        /// New tokens were issued.
        Success = "success",
        /// The token is not one of this service, or its session has ended.
        Refused = "refused",
        /// The token had been replaced, so the session was ended.
        Reused = "reused",
        /// A fault of this service or of a dependency.
        Failed = "failed",
    }

    /// What a code is for.
    CodePurpose {
        /// To prove the identifier of a new account.
        Registration = "registration",
        /// To sign in.
        SignIn = "sign_in",
        /// To set a new password.
        PasswordReset = "password_reset",
        /// To complete a sign-in.
        SecondFactor = "second_factor",
        /// To change the identifier.
        IdentifierChange = "identifier_change",
        /// Presented for a challenge that does not exist.
        Unknown = "unknown",
    }

    /// What happened to a code.
    CodeOutcome {
        /// Its message was queued.
        Queued = "queued",
        /// No message: the cool-down of an earlier one applied.
        CooledDown = "cooled_down",
        /// No message: the recipient's quota is used up.
        Capped = "capped",
        /// Presented, and right.
        Proven = "proven",
        /// Presented, and not valid.
        Refused = "refused",
        /// Not checked, after too many tries.
        Exhausted = "exhausted",
    }

    /// What happened to a notice to the owner of an account.
    NoticeOutcome {
        /// Its message was queued.
        Queued = "queued",
        /// A summary was opened, to be sent later.
        Opened = "opened",
        /// It was added to the open summary.
        Gathered = "gathered",
        /// A ceiling was reached; the notice waits.
        Held = "held",
    }

    /// The channel that reaches a person.
    MessageChannel {
        /// Mail.
        Email = "email",
        /// Text message.
        Sms = "sms",
        /// No channel: the message had no recipient, or could not be rendered.
        None = "none",
    }

    /// The result of one delivery attempt.
    DeliveryOutcome {
        /// Accepted.
        Delivered = "delivered",
        /// Not accepted; will be retried.
        Postponed = "postponed",
        /// Given up; waits for an operator.
        Parked = "parked",
        /// No longer needed.
        Dropped = "dropped",
        /// It is unknown whether it was accepted; not retried.
        Unknown = "unknown",
        /// Over a ceiling: too many were sent already.
        Capped = "capped",
        /// A code that could not be sent while it was valid.
        Late = "late",
    }

    /// The kind of an event destination.
    EventTarget {
        /// To a Redis stream.
        Redis = "redis",
        /// To a webhook.
        Webhook = "webhook",
        /// To the log.
        Log = "log",
    }

    /// A queue of outgoing entries.
    QueueName {
        /// Messages to people.
        Messages = "messages",
        /// Events for other systems.
        Events = "events",
    }
}

/// For facts without a label.
impl Label for () {
    const ALL: &'static [Self] = &[()];

    fn as_str(self) -> &'static str {
        ""
    }

    fn position(self) -> usize {
        0
    }
}

impl From<Purpose> for CodePurpose {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Registration => Self::Registration,
            Purpose::SignIn => Self::SignIn,
            Purpose::PasswordReset => Self::PasswordReset,
            Purpose::SecondFactor => Self::SecondFactor,
            Purpose::IdentifierChange => Self::IdentifierChange,
        }
    }
}

impl From<Channel> for MessageChannel {
    fn from(channel: Channel) -> Self {
        match channel {
            Channel::Email => Self::Email,
            Channel::Sms => Self::Sms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_in_order<L: Label>() {
        let positions: Vec<usize> = L::ALL.iter().map(|label| label.position()).collect();
        assert!(positions.iter().copied().eq(0..L::ALL.len()));
        let words: std::collections::BTreeSet<_> = L::ALL.iter().map(|it| it.as_str()).collect();
        assert_eq!(words.len(), L::ALL.len(), "{words:?}");
    }

    #[test]
    fn every_word_has_a_place_of_its_own() {
        assert_in_order::<SignInMethod>();
        assert_in_order::<SignInOutcome>();
        assert_in_order::<RegistrationOutcome>();
        assert_in_order::<RefreshOutcome>();
        assert_in_order::<CodePurpose>();
        assert_in_order::<CodeOutcome>();
        assert_in_order::<NoticeOutcome>();
        assert_in_order::<MessageChannel>();
        assert_in_order::<DeliveryOutcome>();
        assert_in_order::<EventTarget>();
        assert_in_order::<QueueName>();
    }
}
