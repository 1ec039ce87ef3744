//! Options for enrolling a passkey.

use authentication_domain::passkeys::{CeremonyPurpose, holder_of_session};
use serde_json::Value;

use super::{Passkeys, ceremony::InHands};
use crate::ports::{EnrolmentSubject, RelyingPartyFailed, SessionSnapshot, StoreError};

/// Why no enrolment was begun.
#[derive(Debug, thiserror::Error)]
pub enum BeginEnrolmentError {
    /// The account has the maximum number of passkeys.
    #[error("the account has as many passkeys as it may have")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RelyingPartyFailed> for BeginEnrolmentError {
    fn from(error: RelyingPartyFailed) -> Self {
        Self::Store(error.into())
    }
}

impl Passkeys {
    /// Begins the enrolment of a passkey; replaces an enrolment that the session began before.
    ///
    /// # Errors
    /// [`BeginEnrolmentError`].
    #[tracing::instrument(skip_all)]
    pub async fn begin_enrolment(
        &self,
        who: &SessionSnapshot,
    ) -> Result<Value, BeginEnrolmentError> {
        let base = &self.base;
        let opened = base.open_account(&who.owner)?;
        let passkeys = base.store.list_passkeys(opened.id()).await?;
        if base.has_enough(passkeys.len()) {
            return Err(BeginEnrolmentError::TooMany);
        }
        let known = passkeys
            .iter()
            .map(|record| Ok(base.open_credential(&opened.key, record)?.id))
            .collect::<Result<Vec<_>, StoreError>>()?;
        let name = opened.view.identifier.to_text();
        let shown = opened.view.profile.display_name.as_ref();
        let begun = base.relying_party.begin_enrolment(&EnrolmentSubject {
            handle: base.user_handle(opened.id()),
            name: &name,
            display_name: shown.map_or(name.as_str(), |shown| shown.as_str()),
            known: &known,
        })?;
        let of = InHands {
            holder: holder_of_session(who.session),
            purpose: CeremonyPurpose::Enrolment,
        };
        Ok(base.keep_ceremony(begun, of, Some(opened.id())).await?)
    }
}
