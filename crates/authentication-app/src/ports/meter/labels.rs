//! The words that facts are sorted by. Each is a closed set: what is in none of them cannot be told.

use authentication_domain::challenges::Purpose;

use crate::ports::Channel;

/// A closed set of words.
pub trait Label: Copy + 'static {
    /// All of them.
    const ALL: &'static [Self];

    /// The word, as dashboards and alerts spell it. Never changed.
    fn as_str(self) -> &'static str;

    /// Its place in [`Self::ALL`].
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
    /// How somebody proves who they are.
    SignInMethod {
        /// With a password.
        Password = "password",
        /// With a code by mail or SMS.
        OneTimeCode = "one_time_code",
        /// With what was asked for after either.
        SecondFactor = "second_factor",
        /// With a passkey.
        Passkey = "passkey",
        /// Through Google.
        Google = "google",
        /// Through another provider.
        Provider = "provider",
    }

    /// What became of an attempt to sign in.
    SignInOutcome {
        /// A session began.
        Success = "success",
        /// The first factor was right, and a second one is asked for.
        SecondFactorAsked = "second_factor_asked",
        /// No such identifier, or a wrong proof.
        Refused = "refused",
        /// Refused unheard, after too many failures.
        Locked = "locked",
        /// The proof was right, and the account is suspended.
        Suspended = "suspended",
        /// Nobody had time to look at it.
        Overloaded = "overloaded",
        /// A fault of ours, or of what we depend on.
        Failed = "failed",
    }

    /// How far a registration came.
    RegistrationOutcome {
        /// A challenge was answered; nothing exists yet.
        Requested = "requested",
        /// The code was proven: an account exists.
        Completed = "completed",
        /// The password, the role, the idempotency key or the recipient's quota did not allow it.
        Refused = "refused",
        /// Nobody had time to look at it.
        Overloaded = "overloaded",
        /// A fault of ours, or of what we depend on.
        Failed = "failed",
    }

    /// What became of a refresh token.
    RefreshOutcome {
        /// New tokens.
        Success = "success",
        /// Not one of ours, or of a session that is over.
        Refused = "refused",
        /// It had been replaced: the session ended.
        Reused = "reused",
        /// A fault of ours, or of what we depend on.
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
        /// To have another identifier.
        IdentifierChange = "identifier_change",
        /// It came for a challenge that there is not.
        Unknown = "unknown",
    }

    /// What became of a code.
    CodeOutcome {
        /// Its message was queued.
        Queued = "queued",
        /// No message: one went out a moment ago.
        CooledDown = "cooled_down",
        /// No message: the recipient's quota is used up.
        Capped = "capped",
        /// It was brought, and was right.
        Proven = "proven",
        /// It was brought, and did not count.
        Refused = "refused",
        /// It was not looked at, after too many tries.
        Exhausted = "exhausted",
    }

    /// What became of a notice to the owner of an account.
    NoticeOutcome {
        /// Its message was queued.
        Queued = "queued",
        /// A summary was queued, for later.
        Opened = "opened",
        /// It went into the summary that waits.
        Gathered = "gathered",
        /// A ceiling was reached: it waits.
        Held = "held",
    }

    /// How a message reaches a person.
    MessageChannel {
        /// Mail.
        Email = "email",
        /// Text message.
        Sms = "sms",
        /// None: nobody was to get it, or it could not be made.
        None = "none",
    }

    /// What became of one try to deliver.
    DeliveryOutcome {
        /// It was taken.
        Delivered = "delivered",
        /// It was not, and will be tried again.
        Postponed = "postponed",
        /// It was given up, and waits for a person to look at it.
        Parked = "parked",
        /// Nobody wants it any more.
        Dropped = "dropped",
        /// Whether it was taken is not known, and it is not tried again.
        Unknown = "unknown",
        /// Too many went out already.
        Capped = "capped",
        /// A code that could not be sent while it counted.
        Late = "late",
    }

    /// Where events go.
    EventTarget {
        /// To a Redis stream.
        Redis = "redis",
        /// To a webhook.
        Webhook = "webhook",
        /// To the log.
        Log = "log",
    }

    /// What waits to go out.
    QueueName {
        /// Messages to people.
        Messages = "messages",
        /// Events for other systems.
        Events = "events",
    }
}

/// For what is sorted by nothing.
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
