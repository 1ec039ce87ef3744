//! `messages.…`: how people are reached.

use url::Url;

use super::{Mode, kinds, reader::Reader};

/// Who sends messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SenderChoice {
    /// `mailbox`: nobody gets anything; what was sent is shown at `/dev/mailbox`. Development mode only.
    Mailbox,
    /// `none`: messages stay queued until a release with a sender runs.
    Nobody,
}

/// Messages and the words in them.
#[derive(Debug, Clone)]
pub struct MessageSettings {
    /// `messages.sender`: `mailbox` or `none`. Default in development mode: `mailbox`; in production mode
    /// there is none, because this release has no sender that reaches people.
    pub sender: Option<SenderChoice>,
    /// `messages.product`: what the service calls itself. Default `Fashionistar`.
    pub product: String,
    /// `messages.reset_page_url`: the page that takes the token of a mailed reset link from its fragment.
    /// Default `/reset-password` under `http.public_url`; needed in production mode, with https.
    pub reset_page_url: Option<Url>,
}

impl MessageSettings {
    pub(super) fn read(reader: &mut Reader<'_>, mode: Mode) -> Self {
        let senders = &[
            ("mailbox", SenderChoice::Mailbox),
            ("none", SenderChoice::Nobody),
        ];
        Self {
            sender: reader
                .setting("messages.sender", kinds::choice(senders))
                .or((mode == Mode::Development).then_some(SenderChoice::Mailbox)),
            product: reader
                .setting("messages.product", kinds::text)
                .unwrap_or_else(|| "Fashionistar".to_owned()),
            reset_page_url: reader.setting("messages.reset_page_url", kinds::web_url),
        }
    }
}
