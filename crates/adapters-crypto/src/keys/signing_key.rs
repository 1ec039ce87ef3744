//! Private keys for signing access tokens.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents,
    },
};
use common::SecureRandom;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{live::Keyed, secret_key::fresh_id};

/// Signature algorithms. A key has exactly one (RFC 8725 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    /// Ed25519 (RFC 8037).
    #[default]
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// ECDSA on P-256 with SHA-256, for gateways without Ed25519 support.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, for gateways that support nothing newer; at least 2048 bits.
    #[serde(rename = "RS256")]
    Rs256,
}

impl SigningAlgorithm {
    /// The name in token headers and key sets (RFC 7518 §3.1).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    pub(crate) const fn to_jwa(self) -> Algorithm {
        match self {
            Self::EdDsa => Algorithm::EdDSA,
            Self::Es256 => Algorithm::ES256,
            Self::Rs256 => Algorithm::RS256,
        }
    }

    pub(super) const fn expected_key(self) -> &'static str {
        match self {
            Self::EdDsa => "an Ed25519 private key (PKCS #8, in base64)",
            Self::Es256 => "a P-256 private key (PKCS #8, in base64)",
            Self::Rs256 => "an RSA private key of 2048 bits or more (PKCS #8, in base64)",
        }
    }
}

/// A key pair with its id (`kid`). Parsed once, because parsing costs as much as signing.
#[derive(Clone)]
pub(crate) struct SigningKey {
    id: String,
    pair: Arc<Pair>,
    pkcs8: Zeroizing<Vec<u8>>,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl SigningKey {
    /// Parses a private key; returns the id if the key does not fit the algorithm.
    pub(super) fn from_pkcs8(
        id: String,
        algorithm: SigningAlgorithm,
        pkcs8: Zeroizing<Vec<u8>>,
    ) -> Result<Self, String> {
        let pair = match algorithm {
            SigningAlgorithm::EdDsa => Ed25519KeyPair::from_pkcs8(&pkcs8).map(Pair::Ed25519),
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).map(Pair::P256)
            }
            SigningAlgorithm::Rs256 => RsaKeyPair::from_pkcs8(&pkcs8).map(Pair::Rsa),
        };
        match pair {
            Ok(pair) => Ok(Self {
                id,
                pair: Arc::new(pair),
                pkcs8,
            }),
            Err(_) => Err(id),
        }
    }

    /// Generates a new key.
    #[expect(
        clippy::expect_used,
        reason = "every 256 bits are an Ed25519 private key (RFC 8032 §5.1.5), and the library fails to \
                  make another kind only when the operating system gives it no randomness"
    )]
    pub(super) fn generate(algorithm: SigningAlgorithm, random: &dyn SecureRandom) -> Self {
        let pkcs8 = match algorithm {
            SigningAlgorithm::EdDsa => {
                let mut seed = Zeroizing::new([0; 32]);
                random.fill(seed.as_mut_slice());
                let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice())
                    .expect("any seed is an Ed25519 key");
                let pkcs8 = pair
                    .to_pkcs8v1()
                    .expect("an Ed25519 key has a PKCS #8 form");
                pkcs8.as_ref().to_vec()
            }
            // The library generates these keys with its own randomness; they need more than a seed.
            SigningAlgorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .and_then(|pair| pair.to_pkcs8v1())
                .expect("a P-256 key is made")
                .as_ref()
                .to_vec(),
            SigningAlgorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa3072)
                .and_then(|pair| AsDer::<Pkcs8V1Der<'_>>::as_der(&pair))
                .expect("an RSA key is made")
                .as_ref()
                .to_vec(),
        };
        let (id, pkcs8) = (fresh_id(random), Zeroizing::new(pkcs8));
        Self::from_pkcs8(id, algorithm, pkcs8).expect("what was made can be read")
    }

    pub(crate) fn algorithm(&self) -> SigningAlgorithm {
        match self.pair.as_ref() {
            Pair::Ed25519(_) => SigningAlgorithm::EdDsa,
            Pair::P256(_) => SigningAlgorithm::Es256,
            Pair::Rsa(_) => SigningAlgorithm::Rs256,
        }
    }

    pub(super) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The signature in JWS form (RFC 7518 §3); `None` when signing fails.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = rand::SystemRandom::new();
        match self.pair.as_ref() {
            Pair::Ed25519(pair) => Some(pair.try_sign(message).ok()?.as_ref().to_vec()),
            Pair::P256(pair) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .ok()?;
                Some(signature)
            }
        }
    }

    /// The public key, which verifies the signatures.
    pub(crate) fn public_key(&self) -> DecodingKey {
        match self.pair.as_ref() {
            Pair::Ed25519(pair) => DecodingKey::from_ed_der(pair.public_key().as_ref()),
            Pair::P256(pair) => DecodingKey::from_ec_der(pair.public_key().as_ref()),
            Pair::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                DecodingKey::from_rsa_raw_components(&public.n, &public.e)
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Keyed for SigningKey {
    fn id(&self) -> &str {
        &self.id
    }
}
