//! What is slow, or outside, or can break.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use adapters_crypto::JwtSigner;
use async_trait::async_trait;
use authentication_app::ports::{
    CacheError, Channel, DeliveryError, HashError, InvalidToken, Letter, LetterWriter, Message,
    MessageSender, PasswordHasher, SigningFailed, Throttle, ThrottleOutcome, ThrottleRequest,
    TokenSigner, UnwritableLetter, Verification, WrittenLetter,
};
use authentication_domain::{
    credentials::{PasswordHash, PlainPassword, Strength},
    sessions::AccessClaims,
};
use secrecy::SecretString;

/// What a rival does while a hash is computed.
pub(crate) type Rival = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Hashes that protect nothing, and are counted.
#[derive(Default)]
pub(crate) struct FakeHasher {
    /// Comes in between what was read before a hash and what is written after it.
    pub(crate) rival: OnceLock<Rival>,
    pub(crate) is_overloaded: AtomicBool,
    /// Hashes of now are outdated from here on.
    pub(crate) is_renewed: AtomicBool,
    pub(crate) hashes: AtomicU64,
    pub(crate) estimates: AtomicU64,
}

impl FakeHasher {
    async fn count(&self) -> Result<(), HashError> {
        if self.is_overloaded.load(Ordering::SeqCst) {
            return Err(HashError::Overloaded);
        }
        if let Some(rival) = self.rival.get() {
            rival().await;
        }
        self.hashes.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn scheme(&self) -> &'static str {
        if self.is_renewed.load(Ordering::SeqCst) {
            "new"
        } else {
            "old"
        }
    }
}

#[async_trait]
impl PasswordHasher for FakeHasher {
    async fn hash(&self, password: &PlainPassword) -> Result<PasswordHash, HashError> {
        self.count().await?;
        let encoded = format!("{}${}", self.scheme(), password.expose());
        Ok(PasswordHash::from_encoded(encoded))
    }

    async fn verify(
        &self,
        password: &PlainPassword,
        hash: Option<&PasswordHash>,
    ) -> Result<Verification, HashError> {
        self.count().await?;
        let known = hash.and_then(|hash| hash.as_str().split_once('$'));
        Ok(match known {
            Some((scheme, known)) if known == password.expose() => Verification::Match {
                outdated: scheme != self.scheme(),
            },
            _ => Verification::Mismatch,
        })
    }

    async fn estimate(
        &self,
        password: &PlainPassword,
        guessed_first: Vec<String>,
    ) -> Result<Strength, HashError> {
        if self.is_overloaded.load(Ordering::SeqCst) {
            return Err(HashError::Overloaded);
        }
        self.estimates.fetch_add(1, Ordering::SeqCst);
        Ok(Strength::of(password.expose(), &guessed_first))
    }
}

/// Keeps what is sent.
#[derive(Default)]
pub(crate) struct FakeSender(Mutex<Vec<(String, Option<String>)>>);

impl FakeSender {
    /// The codes that went to somebody, in order.
    pub(crate) fn codes_sent_to(&self, to: &str) -> Vec<String> {
        let sent = self.0.lock().unwrap();
        let to_them = sent.iter().filter(|(whom, _)| whom == to);
        to_them.filter_map(|(_, code)| code.clone()).collect()
    }
}

#[async_trait]
impl MessageSender for FakeSender {
    async fn send(&self, message: &Message) -> Result<(), DeliveryError> {
        let sent = (message.to.to_text(), message.code.clone());
        self.0.lock().unwrap().push(sent);
        Ok(())
    }
}

/// Words are somebody else's.
pub(crate) struct FakeWriter;

impl LetterWriter for FakeWriter {
    fn write(&self, _: &Letter, _: Channel) -> Result<WrittenLetter, UnwritableLetter> {
        Ok(WrittenLetter {
            subject: String::new(),
            text: String::new(),
            html: None,
            language: "en".to_owned(),
        })
    }
}

/// A signer whose key can break.
pub(crate) struct FakeSigner {
    inner: JwtSigner,
    pub(crate) is_broken: AtomicBool,
}

impl FakeSigner {
    pub(crate) fn over(inner: JwtSigner) -> Self {
        Self {
            inner,
            is_broken: AtomicBool::new(false),
        }
    }
}

impl TokenSigner for FakeSigner {
    fn sign(&self, claims: &AccessClaims) -> Result<SecretString, SigningFailed> {
        if self.is_broken.load(Ordering::SeqCst) {
            return Err(SigningFailed);
        }
        self.inner.sign(claims)
    }

    fn verify(&self, token: &str) -> Result<AccessClaims, InvalidToken> {
        self.inner.verify(token)
    }

    fn public_keys(&self) -> serde_json::Value {
        self.inner.public_keys()
    }

    fn issuer(&self) -> &str {
        self.inner.issuer()
    }

    fn algorithms(&self) -> Vec<&'static str> {
        self.inner.algorithms()
    }
}

/// Counters that cannot be asked.
pub(crate) struct FakeThrottle;

#[async_trait]
impl Throttle for FakeThrottle {
    async fn count(&self, _: &[ThrottleRequest]) -> Result<Vec<ThrottleOutcome>, CacheError> {
        Err(CacheError)
    }
}
