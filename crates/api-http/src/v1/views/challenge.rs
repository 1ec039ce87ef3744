//! A challenge, as its holder sees it.

use authentication_app::challenges::IssuedChallenge;
use serde::Serialize;
use utoipa::ToSchema;

/// A challenge that a code answers. Looks the same whether or not an account has the identifier.
#[derive(Serialize, ToSchema)]
#[schema(as = Challenge)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChallengeView {
    /// Opaque; send it with the code.
    #[schema(example = "5f0c1e9a7b3d4f2688aa01c2d3e4f506")]
    challenge_id: String,
    /// The format of the code.
    #[schema(value_type = FormatName)]
    format: &'static str,
    /// How the code is sent.
    #[schema(value_type = ChannelName)]
    channel: &'static str,
    /// The masked address or number, as it was entered.
    #[schema(example = "a***@e***.com")]
    sent_to: String,
    /// Seconds until the code expires.
    #[schema(example = 600)]
    expires_in: u32,
    /// Seconds until another code can be requested.
    #[schema(example = 60)]
    resend_in: u32,
}

/// The format of a code: `digits` is six digits, `long` is twelve letters and digits. Codes are long after many
/// wrong ones. Accept both in the same text field.
#[derive(ToSchema)]
#[schema(as = CodeFormat, rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names that the domain writes")]
pub(crate) enum FormatName {
    Digits,
    Long,
}

/// How a code is sent.
#[derive(ToSchema)]
#[schema(as = Channel, rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names that the domain writes")]
pub(crate) enum ChannelName {
    Email,
    Sms,
}

impl From<IssuedChallenge> for ChallengeView {
    fn from(issued: IssuedChallenge) -> Self {
        Self {
            challenge_id: issued.challenge_id,
            format: issued.format.as_str(),
            channel: issued.channel.as_str(),
            sent_to: issued.sent_to,
            expires_in: issued.expires_in_seconds,
            resend_in: issued.resend_in_seconds,
        }
    }
}
