//! What keeps one arrival from being two: a nonce, or a flow that was used up before.

use authentication_domain::{
    accounts::AccountId, audit::Outcome, federation::ProviderName, opaque_token::TokenDigest,
};
use time::OffsetDateTime;

use super::Unproven;
use crate::{
    RequestContext,
    ports::{MovesSeen, NonceUse, StoreError, UnitOfWork},
};

/// What keeps one arrival from being two.
#[derive(Clone, Copy)]
pub(super) enum Once {
    /// This nonce of this provider, used up in the unit that lets them in.
    Nonce(ProviderName, TokenDigest),
    /// The flow, which was used up before.
    UsedUp(MovesSeen),
}

impl Once {
    /// What they are told of one that does not count, with the reason in the trail.
    pub(super) fn refused(self) -> (Unproven, Outcome) {
        let refused = match self {
            Self::Nonce(..) => Unproven::UnknownNonce,
            Self::UsedUp(_) => Unproven::InvalidState,
        };
        let reason = refused.reason().unwrap_or_default();
        (refused, Outcome::Refused(reason))
    }

    /// Uses up what makes this arrival the only one. What was begun before the last move of the account that it is
    /// to open counts no more. The unit must be dropped on `false`.
    pub(super) async fn use_up(
        self,
        unit: &mut dyn UnitOfWork,
        account: Option<AccountId>,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        match (self, account) {
            (Self::UsedUp(_), None) => Ok(true),
            (Self::UsedUp(seen), Some(account)) => {
                Ok(!unit.accounts().moved_since(account, seen).await?)
            }
            (Self::Nonce(provider, digest), account) => {
                let nonce = NonceUse {
                    provider,
                    digest,
                    device: ctx.claimed_device(),
                    session: None,
                    account,
                    now,
                };
                unit.federation().use_nonce(nonce).await
            }
        }
    }
}
