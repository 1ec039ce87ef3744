//! What makes an arrival unique: a nonce, or a flow that was used up before.

use authentication_domain::{
    accounts::AccountId, audit::Outcome, federation::ProviderName, opaque_token::TokenDigest,
};
use time::OffsetDateTime;

use super::Unproven;
use crate::{
    RequestContext,
    ports::{MovesSeen, NonceUse, StoreError, UnitOfWork},
};

/// What makes an arrival unique.
#[derive(Clone, Copy)]
pub(super) enum Once {
    /// This provider's nonce, which is used up in the unit that signs in.
    Nonce(ProviderName, TokenDigest),
    /// A flow that was already used up.
    UsedUp(MovesSeen),
}

impl Once {
    /// The error for an arrival that is not valid, and the outcome for the audit log.
    pub(super) fn refused(self) -> (Unproven, Outcome) {
        let refused = match self {
            Self::Nonce(..) => Unproven::UnknownNonce,
            Self::UsedUp(_) => Unproven::InvalidState,
        };
        let reason = refused.reason().unwrap_or_default();
        (refused, Outcome::Refused(reason))
    }

    /// Uses up what makes this arrival unique. Anything issued before the last version change of the account to be
    /// opened is invalid. The unit must be dropped on `false`.
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
