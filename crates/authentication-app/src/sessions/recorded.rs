//! Tokens and sign-ins in the recorded responses of repeatable requests. They are sealed, and kept as long as the
//! response is replayed.

use authentication_domain::{mfa::SecondFactor, opaque_token::OpaqueToken, sessions::SessionId};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{SecondFactorRequired, SignInAnswer, SignedIn, TokenSet};
use crate::{
    Foundation,
    ports::{StoreError, UnitOfWork},
    single_use::Presented,
};

/// A [`TokenSet`], as recorded.
#[derive(Serialize, Deserialize)]
pub(crate) struct RecordedTokens {
    access_token: String,
    expires_in_seconds: u32,
    refresh_token: String,
    refresh_expires_in_seconds: u32,
    session: SessionId,
}

impl From<&TokenSet> for RecordedTokens {
    fn from(tokens: &TokenSet) -> Self {
        Self {
            access_token: tokens.access_token.expose_secret().to_owned(),
            expires_in_seconds: tokens.expires_in_seconds,
            refresh_token: tokens.refresh_token.expose_secret().to_owned(),
            refresh_expires_in_seconds: tokens.refresh_expires_in_seconds,
            session: tokens.session,
        }
    }
}

impl From<RecordedTokens> for TokenSet {
    fn from(recorded: RecordedTokens) -> Self {
        Self {
            access_token: SecretString::from(recorded.access_token),
            expires_in_seconds: recorded.expires_in_seconds,
            refresh_token: SecretString::from(recorded.refresh_token),
            refresh_expires_in_seconds: recorded.refresh_expires_in_seconds,
            session: recorded.session,
        }
    }
}

/// The response to a proof that completed a first factor, as recorded.
#[derive(Serialize, Deserialize)]
pub(crate) enum RecordedSignIn {
    Authenticated {
        tokens: RecordedTokens,
        device_token: String,
        /// Whether the proof created the account.
        is_new: bool,
    },
    SecondFactorRequired {
        challenge_id: String,
        methods: Vec<SecondFactor>,
    },
}

/// Where the response to a proof is recorded.
#[derive(Clone, Copy)]
pub(crate) struct Recording<'a> {
    pub(crate) presented: &'a Presented,
    /// Whether the proof creates the account.
    pub(crate) is_new: bool,
}

/// A recorded response to an earlier sign-in.
pub(crate) struct AnsweredSignIn {
    pub(crate) answer: SignInAnswer,
    /// Whether the proof created the account.
    pub(crate) is_new: bool,
}

impl AnsweredSignIn {
    /// The session, if one was begun.
    pub(crate) fn session(self) -> Option<SignedIn> {
        match self.answer {
            SignInAnswer::Authenticated(signed_in) => Some(*signed_in),
            SignInAnswer::SecondFactorRequired(_) => None,
        }
    }
}

impl Foundation {
    /// Records a completed sign-in, in the unit that completes it.
    pub(crate) async fn record_session(
        &self,
        unit: &mut dyn UnitOfWork,
        recording: Option<Recording<'_>>,
        (tokens, device_token): (&TokenSet, &SecretString),
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let Some(Recording { presented, is_new }) = recording else {
            return Ok(());
        };
        let answer = RecordedSignIn::Authenticated {
            tokens: tokens.into(),
            device_token: device_token.expose_secret().to_owned(),
            is_new,
        };
        self.record_single_use(unit, presented, &answer, now).await
    }

    /// Records that a second factor is required, in the same unit.
    pub(crate) async fn record_question(
        &self,
        unit: &mut dyn UnitOfWork,
        recording: Option<Recording<'_>>,
        asked: &SecondFactorRequired,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let Some(Recording { presented, .. }) = recording else {
            return Ok(());
        };
        let answer = RecordedSignIn::SecondFactorRequired {
            challenge_id: asked.challenge_id.expose().to_owned(),
            methods: asked.methods.clone(),
        };
        self.record_single_use(unit, presented, &answer, now).await
    }

    /// Replays the recorded response, unless its session has ended since or its account is closed.
    pub(crate) async fn sign_in_again(
        &self,
        recorded: RecordedSignIn,
    ) -> Result<Option<AnsweredSignIn>, StoreError> {
        match recorded {
            RecordedSignIn::SecondFactorRequired {
                challenge_id,
                methods,
            } => Ok(
                OpaqueToken::from_client(challenge_id).map(|challenge_id| AnsweredSignIn {
                    answer: SignInAnswer::SecondFactorRequired(SecondFactorRequired {
                        challenge_id,
                        methods,
                    }),
                    is_new: false,
                }),
            ),
            RecordedSignIn::Authenticated {
                tokens,
                device_token,
                is_new,
            } => {
                let now = self.clock.now();
                let Some(live) = self.store.find_snapshot(tokens.session, now).await? else {
                    return Ok(None);
                };
                Ok(Some(AnsweredSignIn {
                    answer: SignInAnswer::Authenticated(Box::new(SignedIn {
                        account: self.open_account(&live.owner)?.view,
                        tokens: tokens.into(),
                        device_token: device_token.into(),
                    })),
                    is_new,
                }))
            }
        }
    }
}
