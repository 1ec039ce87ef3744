//! The computation of one hash.

use std::sync::Arc;

use argon2::{
    Algorithm, AssociatedData, KeyId, Params, ParamsBuilder, Version,
    password_hash::phc::{self, Output, ParamsString, Salt},
};
use authentication_app::ports::HashError;
use authentication_domain::credentials::PasswordHash;
use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use zeroize::Zeroizing;

use super::{
    HashingConfig, SALT_BYTES,
    memory::{Inputs, Memory},
};
use crate::keys::{KeyRing, Keyed as _, SecretKey};

/// Output length of a new hash in bytes.
const OUTPUT_BYTES: usize = 32;

/// All inputs of a hash except the password.
#[derive(Clone)]
pub(super) struct Argon2Recipe {
    algorithm: Algorithm,
    version: Version,
    /// Includes the pepper's id as `keyid`, which does not affect the computation.
    params: Params,
    salt: Salt,
    /// `None` in hashes from other systems.
    pepper: Option<Arc<Pepper>>,
}

impl Argon2Recipe {
    /// The recipe for new hashes.
    #[expect(
        clippy::expect_used,
        reason = "the bounds of HashingConfig lie within those of argon2"
    )]
    pub(super) fn current(
        config: &HashingConfig,
        peppers: &Peppers,
        salt: [u8; SALT_BYTES],
    ) -> Self {
        let pepper = Arc::clone(&peppers.current);
        let params = ParamsBuilder::new()
            .m_cost(config.memory_kib)
            .t_cost(config.iterations)
            .p_cost(config.parallelism)
            .output_len(OUTPUT_BYTES)
            .keyid(pepper.id)
            .build()
            .expect("validated parameters are argon2's");
        Self {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            params,
            salt: Salt::new(&salt).expect("a salt may have 16 bytes"),
            pepper: Some(pepper),
        }
    }

    /// The same recipe with a different salt.
    pub(super) fn with_salt(&self, salt: [u8; SALT_BYTES]) -> Result<Self, HashError> {
        Ok(Self {
            salt: Salt::new(&salt).map_err(|_| HashError::Failed)?,
            ..self.clone()
        })
    }

    /// Parses a PHC string into recipe and output. Parameters are bounded, so that a corrupt store cannot
    /// make the service compute for minutes.
    pub(super) fn parse(text: &str, peppers: &Peppers) -> Option<(Self, Output)> {
        let phc = phc::PasswordHash::new(text).ok()?;
        let version = phc.version?.try_into().ok()?;
        Self::of(&phc, version, Some(peppers))
    }

    /// Parses a hash of another system, which has no pepper. Hashes from before argon2 version 0x13 name no
    /// version.
    pub(super) fn parse_foreign(text: &str) -> Option<(Self, Output)> {
        let phc = phc::PasswordHash::new(text).ok()?;
        let version = match phc.version {
            Some(version) => version.try_into().ok()?,
            None => Version::V0x10,
        };
        Self::of(&phc, version, None)
    }

    fn of(
        phc: &phc::PasswordHash,
        version: Version,
        peppers: Option<&Peppers>,
    ) -> Option<(Self, Output)> {
        let is_complete = ["m", "t", "p"]
            .into_iter()
            .all(|name| phc.params.get(name).is_some());
        let params = Params::try_from(phc).ok()?;
        let is_bounded = params.m_cost() <= HashingConfig::MAX_MEMORY_KIB
            && params.t_cost() <= HashingConfig::MAX_ITERATIONS
            && params.p_cost() <= HashingConfig::MAX_PARALLELISM;
        if !is_complete || !is_bounded {
            return None;
        }
        let pepper = match params.keyid() {
            [] => None,
            id => Some(peppers?.find(id)?),
        };
        let recipe = Self {
            algorithm: phc.algorithm.as_str().parse().ok()?,
            version,
            params,
            salt: phc.salt?,
            pepper,
        };
        Some((recipe, phc.hash?))
    }

    /// Whether a hash made by this recipe is as good as one made by `current`. Its pepper need not be the
    /// current one, only live and not on its way out: a lagging node keeps what a node ahead of it has
    /// hashed.
    pub(super) fn is_like(&self, current: &Self) -> bool {
        let has_live_pepper = self.pepper.as_ref().is_some_and(|it| !it.is_going);
        has_live_pepper
            && self.algorithm == current.algorithm
            && self.version == current.version
            && self.without_pepper() == current.without_pepper()
            && self.salt.len() >= current.salt.len()
    }

    /// The memory in KiB needed beside a buffer of `kept` KiB: none if the hash fits into it.
    pub(super) fn memory_beside(&self, kept: u32) -> u32 {
        Some(self.params.m_cost())
            .filter(|kib| *kib > kept)
            .unwrap_or_default()
    }

    fn without_pepper(&self) -> (u32, u32, u32, Option<usize>, &[u8]) {
        let params = &self.params;
        (
            params.m_cost(),
            params.t_cost(),
            params.p_cost(),
            params.output_len(),
            params.data(),
        )
    }

    /// The memory in KiB, and the KiB written in all passes together.
    pub(super) fn cost(&self) -> (u32, u64) {
        let memory = self.params.m_cost();
        (memory, u64::from(memory) * u64::from(self.params.t_cost()))
    }

    pub(super) fn compute(
        &self,
        password: &[u8],
        memory: &mut Memory,
    ) -> Result<Zeroizing<Vec<u8>>, HashError> {
        let inputs = Inputs {
            algorithm: self.algorithm,
            version: self.version,
            params: &self.params,
            password,
            salt: &self.salt,
            secret: self
                .pepper
                .as_ref()
                .map_or(&[][..], |pepper| pepper.secret.as_slice()),
        };
        let length = self.params.output_len().unwrap_or(OUTPUT_BYTES);
        let mut output = Zeroizing::new(vec![0; length]);
        memory.hash(&inputs, &mut output)?;
        Ok(output)
    }

    /// The PHC string of a hash made by this recipe.
    pub(super) fn encode(&self, output: &[u8]) -> Result<PasswordHash, HashError> {
        let phc = phc::PasswordHash {
            algorithm: self.algorithm.ident(),
            version: Some(self.version.into()),
            params: ParamsString::try_from(&self.params).map_err(|_| HashError::Failed)?,
            salt: Some(self.salt),
            hash: Some(Output::new(output).map_err(|_| HashError::Failed)?),
        };
        Ok(PasswordHash::from_encoded(phc.to_string()))
    }
}

/// The live secret inputs (RFC 9106 §3.1, `K`). Without them, a stolen table of hashes cannot be attacked
/// offline.
pub(crate) struct Peppers {
    current: Arc<Pepper>,
    others: Vec<Arc<Pepper>>,
    /// Ids of peppers that were removed on purpose.
    retired: Vec<KeyId>,
}

struct Pepper {
    id: KeyId,
    secret: Zeroizing<Vec<u8>>,
    /// Previous or retired: a successful sign-in replaces the hash.
    is_going: bool,
}

impl Peppers {
    pub(crate) fn of(ring: &KeyRing) -> Self {
        let keys = &ring.password_pepper;
        let next = keys.next().map(|key| Pepper::of(key, false));
        let previous = keys.previous().map(|key| Pepper::of(key, true));
        Self {
            current: Arc::new(Pepper::of(keys.current(), false)),
            others: next.into_iter().chain(previous).map(Arc::new).collect(),
            retired: keys.retired().map(short_id).collect(),
        }
    }

    /// Looks up the pepper of a hash. A retired one is replaced by a wrong value: the comparison takes the
    /// usual time and fails, and the owner has to reset the password. An unknown id is an error of the
    /// service.
    fn find(&self, id: &[u8]) -> Option<Arc<Pepper>> {
        let mut live = std::iter::once(&self.current).chain(&self.others);
        let known = live.find(|pepper| pepper.id.as_bytes() == id);
        let is_retired = || self.retired.iter().any(|gone| gone.as_bytes() == id);
        known.map(Arc::clone).or_else(|| {
            is_retired().then(|| {
                Arc::new(Pepper {
                    id: KeyId::EMPTY,
                    secret: Zeroizing::new(b"a pepper that was taken away".to_vec()),
                    is_going: true,
                })
            })
        })
    }
}

impl Pepper {
    fn of(key: &SecretKey, is_going: bool) -> Self {
        Self {
            id: short_id(key.id()),
            secret: Zeroizing::new(key.derive("password pepper").to_vec()),
            is_going,
        }
    }
}

/// Whether the engine computes the RFC 9106 §5.3 test vector on this processor. It selects instructions by
/// the processor's features, and a faulty selection must never hash a password.
pub(super) fn engine_is_sound() -> bool {
    let Some(recipe) = Argon2Recipe::of_the_rfc() else {
        return false;
    };
    let mut memory = Memory::new();
    // The second run uses a dirty buffer.
    (0..2).all(|_| {
        recipe
            .compute(&[1; 32], &mut memory)
            .is_ok_and(|output| output.as_slice() == RFC_9106_TAG)
    })
}

const RFC_9106_TAG: [u8; 32] = [
    0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c, 0x08, 0xc0, 0x37, 0xa3, 0x4a, 0x8b, 0x53, 0xc9,
    0xd0, 0x1e, 0xf0, 0x45, 0x2d, 0x75, 0xb6, 0x5e, 0xb5, 0x25, 0x20, 0xe9, 0x6b, 0x01, 0xe6, 0x59,
];

impl Argon2Recipe {
    fn of_the_rfc() -> Option<Self> {
        let params = ParamsBuilder::new()
            .m_cost(32)
            .t_cost(3)
            .p_cost(4)
            .data(AssociatedData::new(&[4; 12]).ok()?)
            .output_len(32)
            .build()
            .ok()?;
        Some(Self {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            params,
            salt: Salt::new(&[2; 16]).ok()?,
            pepper: Some(Arc::new(Pepper {
                id: KeyId::EMPTY,
                secret: Zeroizing::new(vec![3; 8]),
                is_going: false,
            })),
        })
    }
}

/// A PHC string has room for eight bytes of `keyid`, so the id's digest is truncated.
fn short_id(id: &str) -> KeyId {
    let digest = digest::digest(&digest::SHA256, id.as_bytes());
    let short = digest.as_ref().get(..KeyId::MAX_LEN).unwrap_or_default();
    KeyId::new(short).unwrap_or_default()
}

/// The text by which a hash names its pepper.
pub(crate) fn pepper_mark(key: &SecretKey) -> String {
    let id = short_id(key.id());
    format!("keyid={}", STANDARD_NO_PAD.encode(id.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vector_of_rfc_9106_comes_out() {
        assert!(engine_is_sound());
    }

    #[test]
    fn another_input_gives_another_output() {
        let recipe = Argon2Recipe::of_the_rfc().unwrap();
        let unpeppered = Argon2Recipe {
            pepper: None,
            ..recipe.clone()
        };
        let mut memory = Memory::new();
        for (recipe, password) in [(&recipe, [0; 32]), (&unpeppered, [1; 32])] {
            let output = recipe.compute(&password, &mut memory).unwrap();
            assert_ne!(output.as_slice(), RFC_9106_TAG);
        }
    }
}
