//! The words. Plain text; what people typed is never part of a message.

use authentication_domain::{
    challenges::{ChallengeRules, Purpose},
    opaque_token::OpaqueToken,
    protection::LockoutRules,
};

use crate::ports::MessageKind;

/// How the service calls itself, and where its links lead.
#[derive(Debug, Clone)]
pub struct Branding {
    /// The product's name.
    pub product: String,
    /// The page that takes a reset token from its fragment, which no server log ever sees: an absolute
    /// URL without a fragment, as configuration checked it.
    pub reset_page: String,
}

/// Subject and body of a message.
pub(crate) struct Text {
    pub(crate) subject: String,
    pub(crate) body: String,
}

impl Branding {
    /// A one-time code.
    pub(crate) fn code(
        &self,
        purpose: Purpose,
        code: &str,
        link: Option<&OpaqueToken>,
        rules: &ChallengeRules,
    ) -> Text {
        let product = &self.product;
        let what = match purpose {
            Purpose::Registration => "complete your registration",
            Purpose::SignIn => "sign in",
            Purpose::PasswordReset => "set a new password",
        };
        let minutes = rules.code_lifetime.whole_minutes();
        let mut body = format!(
            "{code} is your {product} code to {what}. It counts for {minutes} minutes. \
             Nobody from {product} will ever ask you for it."
        );
        if let Some(link) = link {
            let page = &self.reset_page;
            let token = link.expose();
            let minutes = rules.link_lifetime.whole_minutes();
            body = format!(
                "{body}\n\nOr open this link within {minutes} minutes: {page}#token={token}"
            );
        }
        Text {
            subject: format!("Your {product} code"),
            body,
        }
    }

    /// To the owner of an identifier that somebody tried to register again.
    pub(crate) fn already_registered(&self) -> Text {
        let product = &self.product;
        Text {
            subject: format!("You already have a {product} account"),
            body: format!(
                "Somebody, perhaps you, tried to register at {product} with this address or number, \
                 which has an account already. If it was you, sign in, or reset your password. \
                 If it was not, nothing happened and there is nothing to do."
            ),
        }
    }

    /// Something about the account that its owner should know.
    pub(crate) fn notice(&self, kind: MessageKind, lockout: &LockoutRules) -> Option<Text> {
        let product = &self.product;
        let minutes = lockout.window.whole_minutes();
        let (subject, body) = match kind {
            MessageKind::Code { .. } => return None,
            MessageKind::SignInLocked => (
                format!("Sign-in to {product} is paused"),
                format!(
                    "There were several failed attempts to sign in to your account, so sign-in by \
                     password is paused for {minutes} minutes on devices that we do not know. Devices \
                     you signed in from before still work. If it was not you, your password held; if \
                     it is one you use elsewhere, change it."
                ),
            ),
            MessageKind::PasswordChanged => (
                format!("Your {product} password was changed"),
                "Your password was changed, and your other devices were signed out. If it was not you, \
                 reset your password now."
                    .to_owned(),
            ),
            MessageKind::SessionStolen => (
                format!("A {product} sign-in was ended"),
                "A copy of one of your sign-ins was used a second time, so we ended that sign-in. If \
                 you did not copy it yourself, change your password."
                    .to_owned(),
            ),
        };
        Some(Text { subject, body })
    }
}
