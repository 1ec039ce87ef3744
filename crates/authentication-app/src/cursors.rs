//! Pagination cursors, which a client returns to get the next page.
//!
//! A cursor is opaque to clients. It is authenticated, and bound to its list and to the account that owns the list,
//! so only cursors issued here are accepted.

use std::sync::Arc;

use authentication_domain::accounts::AccountId;
use uuid::Uuid;

use crate::ports::Macs;

/// The lists that have cursors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// The sessions of the signed-in account.
    OwnSessions,
}

impl List {
    /// The name in MACs. Never changed: it distinguishes the lists.
    const fn as_str(self) -> &'static str {
        match self {
            Self::OwnSessions => "own sessions",
        }
    }
}

/// Creates and verifies cursors.
#[derive(Clone)]
pub struct Cursors {
    macs: Arc<dyn Macs>,
}

/// A place and its MAC: the cursor before its text encoding.
pub type CursorBytes = [u8; 32];

impl Cursors {
    /// Called once, by the composition root.
    pub const fn new(macs: Arc<dyn Macs>) -> Self {
        Self { macs }
    }

    /// The cursor of the page that begins after `place`.
    pub fn after(&self, list: List, owner: AccountId, place: Uuid) -> CursorBytes {
        let mac = self.macs.cursor_mac(list.as_str(), owner, place);
        let mut cursor = [0; 32];
        let parts = place.as_bytes().iter().chain(&mac);
        for (byte, part) in cursor.iter_mut().zip(parts) {
            *byte = *part;
        }
        cursor
    }

    /// The place that a cursor names; `None` unless it was issued for this list of this owner.
    pub fn read(&self, list: List, owner: AccountId, cursor: &CursorBytes) -> Option<Uuid> {
        let (place, mac) = cursor.split_first_chunk::<16>()?;
        let place = Uuid::from_bytes(*place);
        let mac: [u8; 16] = mac.try_into().ok()?;
        let is_ours = self.macs.is_cursor_mac(list.as_str(), owner, place, mac);
        is_ours.then_some(place)
    }
}
