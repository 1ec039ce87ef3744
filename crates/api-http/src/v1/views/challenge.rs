//! A challenge, as its holder is told.

use authentication_app::challenges::IssuedChallenge;
use serde::Serialize;
use utoipa::ToSchema;

/// The right to try a code. The same for identifiers that are known and those that are not.
#[derive(Serialize, ToSchema)]
#[schema(as = Challenge)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChallengeView {
    /// Opaque; bring it with the code.
    #[schema(example = "5f0c1e9a7b3d4f2688aa01c2d3e4f506")]
    challenge_id: String,
    /// How long the code is.
    #[schema(value_type = FormatName)]
    format: &'static str,
    /// How the code travels.
    #[schema(value_type = ChannelName)]
    channel: &'static str,
    /// Where to, masked from what was typed.
    #[schema(example = "a***@e***.com")]
    sent_to: String,
    /// Seconds until the code expires.
    #[schema(example = 600)]
    expires_in: u32,
    /// Seconds until another code can be asked for.
    #[schema(example = 60)]
    resend_in: u32,
}

/// How long a code is: `digits` are six, `long` twelve letters and digits. Codes are long after many wrong ones. Take
/// either in the same field, as text.
#[derive(ToSchema)]
#[schema(as = CodeFormat, rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names that the domain writes")]
pub(crate) enum FormatName {
    Digits,
    Long,
}

/// How a code travels.
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
