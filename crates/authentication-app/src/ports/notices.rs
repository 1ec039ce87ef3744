//! Links in notices, by which the owner of an account reports: this was not me.
//!
//! A link leads to a page of the site, which posts its token after one confirmation; merely following the link
//! changes nothing. The token is derived from a nonce under a server key, like that of a reset link, so neither the
//! store nor the outbox holds it; only its digest is stored.

use async_trait::async_trait;
use authentication_domain::{
    accounts::AccountId,
    opaque_token::TokenDigest,
    protection::{NoticePace, Telling},
};
use serde::Serialize;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{FieldContext, HeldMessage, MessageKind, Recipient, Sealed, StoreError};

/// The effect of a link. A link of one kind cannot be used as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkKind {
    /// Ends every session and closes sign-in by password until a reset.
    NotMe,
    /// The same, and restores the account's previous identifier.
    IdentifierUndo,
}

impl LinkKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::NotMe, Self::IdentifierUndo];

    /// The kind's name in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotMe => "not_me",
            Self::IdentifierUndo => "identifier_undo",
        }
    }

    /// The kind with this name, as read from a store.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A link to be stored.
#[derive(Debug, Clone)]
pub struct NewNoticeLink {
    /// Digest of the link's token.
    pub digest: TokenDigest,
    /// The account whose owner gets it.
    pub account: AccountId,
    /// The effect of the link.
    pub kind: LinkKind,
    /// The identifier that an undo restores, sealed under the person's key ([`previous_field`]).
    pub previous: Option<Sealed>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it expires.
    pub expires_at: OffsetDateTime,
}

/// A link that is still valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeLink {
    /// The account whose owner got it.
    pub account: AccountId,
    /// The previous identifier, as it was stored.
    pub previous: Option<Sealed>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Whether the account had a second factor when the notice was made.
    pub had_second_factor: bool,
}

impl NoticeLink {
    /// An intruder does several things in a row, and the owner may respond to any of the notices. Hence everything
    /// is taken back since the first notice within this time before the one that was answered.
    pub const LOOKS_BACK: Duration = Duration::DAY;
}

/// How many credentials were taken back because they were added since a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct TakenBack {
    /// Passkeys.
    pub passkeys: u64,
    /// The number of authenticator apps: 0 or 1.
    pub authenticators: u64,
    /// The number of provider identities: 0 or 1.
    pub identities: u64,
}

/// An act that a notice reports.
#[derive(Debug, Clone)]
pub struct NoticedAct {
    /// The recipient of the notice.
    pub recipient: Recipient,
    /// The kind of notice.
    pub kind: MessageKind,
    /// How often such notices may be sent.
    pub pace: NoticePace,
    /// The id of the summary's message, if this act opens one.
    pub summary: Uuid,
    /// When it happened.
    pub at: OffsetDateTime,
}

/// The content of a summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathered {
    /// When the previous notice was sent.
    pub since: OffsetDateTime,
    /// How many acts happened since.
    pub acts: u32,
    /// When the first of them happened, at most [`Self::LISTED`].
    pub times: Vec<OffsetDateTime>,
    /// When the last act happened.
    pub last: OffsetDateTime,
}

impl Gathered {
    /// How many acts a summary lists individually.
    pub const LISTED: usize = 10;
}

/// The result of closing a summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closing {
    /// The summary is closed and has this content. Later acts go into another notice.
    Closed(Gathered),
    /// Nothing was gathered for the message.
    Nothing,
    /// The lease on the message was lost. Nothing of the unit may be committed.
    NotHeld,
}

/// The field context of the identifier that an undo restores. Half of the digest suffices to identify the row.
pub fn previous_field(digest: TokenDigest) -> FieldContext {
    let half = digest.0.first_chunk().copied().unwrap_or_default();
    FieldContext {
        table: "notice_links",
        column: "previous",
        row: Uuid::from_bytes(half),
    }
}

/// Reads outside a unit of work, on the connection pool.
#[async_trait]
pub trait NoticeQueries: Send + Sync {
    /// The link with this digest and kind, unless it was claimed or has expired.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find_notice_link(
        &self,
        digest: TokenDigest,
        kind: LinkKind,
        now: OffsetDateTime,
    ) -> Result<Option<NoticeLink>, StoreError>;
}

/// Writes within a unit of work.
#[async_trait]
pub trait NoticeRepository: Send {
    /// Inserts a new link.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn keep_link(&mut self, link: &NewNoticeLink) -> Result<(), StoreError>;

    /// Marks a link as used if it is still valid; `false` otherwise. Among concurrent calls, exactly one gets
    /// `true`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn claim_link(
        &mut self,
        digest: TokenDigest,
        kind: LinkKind,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Removes the credentials that were added since the notice with this link, or since the first unanswered
    /// notice within [`NoticeLink::LOOKS_BACK`] before it. If the account had a second factor and no earlier one is
    /// left, the second factors added since stay: a link never removes the last one. Must be called before the
    /// other links are voided.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn take_back(&mut self, link: &NoticeLink) -> Result<TakenBack, StoreError>;

    /// Voids every link of a kind that the account got at `since` or later.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn void_links(
        &mut self,
        account: AccountId,
        kind: LinkKind,
        since: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<(), StoreError>;

    /// Decides by the earlier notices how to report one more act, as [`NoticePace::after`] does, and counts it if
    /// it is gathered: one conditional write. A summary gathers acts until it is sent, however late that is; a
    /// parked or deleted one gathers none. On [`Telling::Later`], the caller queues the summary in the same unit.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn gather(&mut self, act: &NoticedAct) -> Result<Telling, StoreError>;

    /// Closes a summary that is about to be sent, and records its content at the same time: an act is either in
    /// this summary or begins another one, and none is lost. For a summary that was closed before, or that
    /// [`Self::tell_anew`] made due, it returns the same content again.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn close_gathering(
        &mut self,
        held: HeldMessage,
        now: OffsetDateTime,
    ) -> Result<Closing, StoreError>;

    /// Makes every open summary of an account due with its current content, and resets the pace of its notices: the
    /// next act of any kind is reported at once.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn tell_anew(
        &mut self,
        account: AccountId,
        now: OffsetDateTime,
    ) -> Result<(), StoreError>;
}
