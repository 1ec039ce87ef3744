//! The memory of a hashing thread, and the hashing engine that uses it.

use argon2::Params;
use argon2_rust::{Algorithm, Argon2, Hasher, Version, params};
use authentication_app::ports::HashError;

/// The engine with a buffer that is reused across hashes: allocating and freeing 19 MiB costs a quarter of a
/// hash.
///
/// The next hash overwrites what the previous one left in the buffer. When there is none, [`Memory::rest`]
/// returns the buffer to the system, which clears it before any other process gets it.
pub(super) struct Memory {
    hasher: Hasher,
}

/// The inputs of a hash.
pub(super) struct Inputs<'a> {
    pub(super) algorithm: argon2::Algorithm,
    pub(super) version: argon2::Version,
    pub(super) params: &'a Params,
    pub(super) password: &'a [u8],
    pub(super) salt: &'a [u8],
    pub(super) secret: &'a [u8],
}

impl Memory {
    /// Allocates nothing before the first hash.
    pub(super) fn new() -> Self {
        let argon2 = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            argon2_rust::Params::DEFAULT,
        );
        Self {
            hasher: argon2.hasher(),
        }
    }

    /// Fills `output`. Its length is an input of the hash.
    pub(super) fn hash(&mut self, inputs: &Inputs<'_>, output: &mut [u8]) -> Result<(), HashError> {
        let algorithm = match inputs.algorithm {
            argon2::Algorithm::Argon2d => Algorithm::Argon2d,
            argon2::Algorithm::Argon2i => Algorithm::Argon2i,
            argon2::Algorithm::Argon2id => Algorithm::Argon2id,
        };
        let version = match inputs.version {
            argon2::Version::V0x10 => Version::V0x10,
            argon2::Version::V0x13 => Version::V0x13,
        };
        // Lanes are computed sequentially: other hashes use the other cores.
        let params = argon2_rust::Params::builder()
            .memory(params::Memory::kib(inputs.params.m_cost().into()))
            .passes(inputs.params.t_cost())
            .lanes(inputs.params.p_cost())
            .threads(1)
            .tag_len(params::TagLen::bytes(output.len() as u64))
            .build()
            .map_err(|_| HashError::Failed)?;
        self.hasher
            .set_argon2(Argon2::new(algorithm, version, params));
        self.hasher
            .hash_into_with_ad(
                inputs.password,
                inputs.salt,
                inputs.secret,
                inputs.params.data(),
                output,
            )
            .map_err(|_| HashError::Failed)
    }

    /// Frees the buffer. For idle periods.
    pub(super) fn rest(&mut self) {
        self.hasher.clear();
    }

    /// Whether no buffer is held.
    pub(super) fn is_at_rest(&self) -> bool {
        self.hasher.reserved_blocks() == 0
    }

    /// Frees the buffer if a hash with larger parameters has grown it beyond `blocks`.
    pub(super) fn shrink_to(&mut self, blocks: usize) {
        if self.hasher.reserved_blocks() > blocks {
            self.rest();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn params(memory_kib: u32, iterations: u32, lanes: u32, data: &[u8]) -> Params {
        argon2::ParamsBuilder::new()
            .m_cost(memory_kib)
            .t_cost(iterations)
            .p_cost(lanes)
            .data(argon2::AssociatedData::new(data).unwrap())
            .build()
            .unwrap()
    }

    fn hash_with(memory: &mut Memory, params: &Params) -> [u8; 32] {
        let inputs = Inputs {
            algorithm: argon2::Algorithm::Argon2id,
            version: argon2::Version::V0x13,
            params,
            password: b"correct horse",
            salt: b"a salt of theirs",
            secret: b"",
        };
        let mut output = [0; 32];
        memory.hash(&inputs, &mut output).unwrap();
        output
    }

    /// The same hash by `RustCrypto`'s crate, which shares no code with the engine.
    fn reference(inputs: &Inputs<'_>, output: &mut [u8]) {
        argon2::Argon2::new_with_secret(
            inputs.secret,
            inputs.algorithm,
            inputs.version,
            inputs.params.clone(),
        )
        .unwrap()
        .hash_password_into(inputs.password, inputs.salt, output)
        .unwrap();
    }

    #[test]
    fn the_buffer_is_kept_and_given_back() {
        let mut memory = Memory::new();
        assert!(memory.is_at_rest());
        let small = hash_with(&mut memory, &params(64, 1, 1, b""));
        assert!(!memory.is_at_rest());
        memory.shrink_to(64);
        assert!(!memory.is_at_rest(), "it is of the usual size");
        hash_with(&mut memory, &params(128, 1, 1, b""));
        assert_eq!(
            hash_with(&mut memory, &params(64, 1, 1, b"")),
            small,
            "a buffer that is too large, and dirty, changes nothing"
        );
        memory.shrink_to(64);
        assert!(memory.is_at_rest(), "it was needed once");
        assert_eq!(hash_with(&mut memory, &params(64, 1, 1, b"")), small);
        memory.rest();
        assert!(memory.is_at_rest());
    }

    #[test]
    fn the_parameters_that_people_are_hashed_with_give_what_the_reference_gives() {
        // As large as the buffers in production, which are allocated differently from small ones.
        let mut memory = Memory::new();
        for params in [params(19_456, 2, 1, b""), params(7_168, 5, 2, b"")] {
            let inputs = Inputs {
                algorithm: argon2::Algorithm::Argon2id,
                version: argon2::Version::V0x13,
                params: &params,
                password: "пароль-пароль".as_bytes(),
                salt: &[7; 16],
                secret: &[9; 32],
            };
            let (mut ours, mut theirs) = ([0; 32], [0; 32]);
            for _ in 0..2 {
                memory.hash(&inputs, &mut ours).unwrap();
                reference(&inputs, &mut theirs);
                assert_eq!(ours, theirs);
            }
        }
    }

    fn any_algorithm() -> impl Strategy<Value = argon2::Algorithm> {
        prop_oneof![
            Just(argon2::Algorithm::Argon2d),
            Just(argon2::Algorithm::Argon2i),
            Just(argon2::Algorithm::Argon2id),
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_hashed_the_reference_gives_the_same(
            algorithm in any_algorithm(),
            is_old in any::<bool>(),
            memory_kib in 8_u32..300,
            iterations in 1_u32..4,
            lanes in 1_u32..5,
            password in prop::collection::vec(any::<u8>(), 0..200),
            salt in prop::collection::vec(any::<u8>(), 8..40),
            secret in prop::collection::vec(any::<u8>(), 0..40),
            data in prop::collection::vec(any::<u8>(), 0..32),
            length in 4_usize..130,
        ) {
            let params = params(memory_kib.max(8 * lanes), iterations, lanes, &data);
            let inputs = Inputs {
                algorithm,
                version: if is_old { argon2::Version::V0x10 } else { argon2::Version::V0x13 },
                params: &params,
                password: &password,
                salt: &salt,
                secret: &secret,
            };
            let (mut ours, mut theirs) = (vec![0; length], vec![0; length]);
            let mut memory = Memory::new();
            memory.hash(&inputs, &mut ours).unwrap();
            reference(&inputs, &mut theirs);
            prop_assert_eq!(ours, theirs);
        }
    }
}
