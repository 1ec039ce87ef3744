//! Links in notices, by which the owner of an account says: this was not me.
//!
//! A link leads to a page of the site, which posts its token after one confirming act; following it changes
//! nothing here. The token follows from a nonce under a server key as that of a reset link does, so neither
//! the store nor the outbox holds it; what is kept is its digest.

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

/// What a link is good for. One of one kind does nothing of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkKind {
    /// Ends every session and closes sign-in by password until a reset.
    NotMe,
    /// The same, and gives the account back the identifier that it had.
    IdentifierUndo,
}

impl LinkKind {
    /// Every kind there is.
    pub const ALL: [Self; 2] = [Self::NotMe, Self::IdentifierUndo];

    /// The name in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotMe => "not_me",
            Self::IdentifierUndo => "identifier_undo",
        }
    }

    /// As read from a store.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A link to be kept.
#[derive(Debug, Clone)]
pub struct NewNoticeLink {
    /// Digest of its token.
    pub digest: TokenDigest,
    /// Whose.
    pub account: AccountId,
    /// What it is good for.
    pub kind: LinkKind,
    /// What an undo gives back: the identifier's text, under the person's key ([`previous_field`]).
    pub previous: Option<Sealed>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// From when on it counts no more.
    pub expires_at: OffsetDateTime,
}

/// A link that still counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeLink {
    /// Whose.
    pub account: AccountId,
    /// As it was kept.
    pub previous: Option<Sealed>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Whether the account had a second factor before.
    pub had_second_factor: bool,
}

impl NoticeLink {
    /// Whoever got in does several things in a row, and the owner answers to any notice of them: what is taken
    /// back begins with the first notice of so long before the one that was answered.
    pub const LOOKS_BACK: Duration = Duration::DAY;
}

/// How many ways in were taken away that came since a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct TakenBack {
    /// Passkeys.
    pub passkeys: u64,
    /// One, or no authenticator app.
    pub authenticators: u64,
    /// One, or no identity at a provider.
    pub identities: u64,
}

/// One more act that a notice tells of.
#[derive(Debug, Clone)]
pub struct NoticedAct {
    /// Whom it is told to.
    pub recipient: Recipient,
    /// What it is.
    pub kind: MessageKind,
    /// How often that is told.
    pub pace: NoticePace,
    /// The message that the summary will be, if this act opens one.
    pub summary: Uuid,
    /// When it happened.
    pub at: OffsetDateTime,
}

/// What a summary tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathered {
    /// When the notice before it went.
    pub since: OffsetDateTime,
    /// How many acts there were after that.
    pub acts: u32,
    /// When the first of them happened, [`Self::LISTED`] at the most.
    pub times: Vec<OffsetDateTime>,
    /// When the last one did.
    pub last: OffsetDateTime,
}

impl Gathered {
    /// How many acts a summary names one by one.
    pub const LISTED: usize = 10;
}

/// What became of the closing of a summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closing {
    /// It is closed, and tells of this. What happens from here on is another notice's.
    Closed(Gathered),
    /// Nothing was gathered for the message.
    Nothing,
    /// Somebody else holds the message. Nothing of the unit may be committed.
    NotHeld,
}

/// Where the identifier is kept that an undo gives back. Half of the digest names the row well enough.
pub fn previous_field(digest: TokenDigest) -> FieldContext {
    let half = digest.0.first_chunk().copied().unwrap_or_default();
    FieldContext {
        table: "notice_links",
        column: "previous",
        row: Uuid::from_bytes(half),
    }
}

/// Reads on the pool.
#[async_trait]
pub trait NoticeQueries: Send + Sync {
    /// The link with this digest, if it is of this kind, neither claimed nor expired.
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
    /// Keeps a new link.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn keep_link(&mut self, link: &NewNoticeLink) -> Result<(), StoreError>;

    /// Marks a link as used if it still counts; `false` otherwise. Of any number of rivals one gets `true`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn claim_link(
        &mut self,
        digest: TokenDigest,
        kind: LinkKind,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Takes away the ways in that came since the notice with this link, or since the first one that was not
    /// answered of [`NoticeLink::LOOKS_BACK`] before. An account that had a second factor keeps those that came
    /// since unless one from before is left: no link takes the last one away. To be called before the other
    /// links are made worthless.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn take_back(&mut self, link: &NoticeLink) -> Result<TakenBack, StoreError>;

    /// Makes every link of a kind worthless that an account got at `since` or later.
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

    /// Judges one more act by what was told before, as [`NoticePace::after`] does, and counts it if it is
    /// gathered: one conditional write. A summary takes acts in for as long as it waits to be sent, however late
    /// it is; one that was parked or deleted takes in none. Whoever is told [`Telling::Later`] queues the summary
    /// in the same unit.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn gather(&mut self, act: &NoticedAct) -> Result<Telling, StoreError>;

    /// Ends the gathering for a summary that is about to be sent, and writes down with it what it tells of: an
    /// act is in this summary or begins another one, and in none is it lost. Of one that was closed before, or
    /// that [`Self::tell_anew`] made due, it says the same again.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn close_gathering(
        &mut self,
        held: HeldMessage,
        now: OffsetDateTime,
    ) -> Result<Closing, StoreError>;

    /// Makes every open summary of an account due with what it has, and forgets what was told before: the next
    /// act of any kind is told at once.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn tell_anew(
        &mut self,
        account: AccountId,
        now: OffsetDateTime,
    ) -> Result<(), StoreError>;
}
