//! The upper limit that password hashing sets on this machine: only the computation, on every core.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::processes::cores;

/// The service's default parameters.
const MEMORY_KIB: u32 = 19_456;
const ITERATIONS: u32 = 2;

/// Hashes per second of the fast implementations, each with a reused buffer.
#[derive(Serialize)]
pub(super) struct Limit {
    pub(super) threads: usize,
    pub(super) argon2_rust: f64,
    pub(super) rust_crypto: f64,
}

impl Limit {
    pub(super) fn fastest(&self) -> f64 {
        self.argon2_rust.max(self.rust_crypto)
    }
}

pub(super) fn measure(duration: Duration) -> Limit {
    Limit {
        threads: cores(),
        argon2_rust: on_every_core(duration, argon2_rust),
        rust_crypto: on_every_core(duration, rust_crypto),
    }
}

/// Hashes per second of all threads together.
fn on_every_core(duration: Duration, engine: fn() -> Box<dyn FnMut()>) -> f64 {
    let hashes_a_second = |_| {
        let mut hash = engine();
        // The first hash allocates the memory.
        hash();
        let (begun, mut done) = (Instant::now(), 0_u32);
        while begun.elapsed() < duration {
            hash();
            done += 1;
        }
        f64::from(done) / begun.elapsed().as_secs_f64()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..cores())
            .map(|number| scope.spawn(move || hashes_a_second(number)))
            .collect();
        let rates = threads.into_iter().map(|it| it.join().unwrap_or(0.0));
        rates.sum()
    })
}

fn argon2_rust() -> Box<dyn FnMut()> {
    use argon2_rust::{Algorithm, Argon2, Params, Version, params::Memory};
    let params = Params::builder()
        .memory(Memory::kib(MEMORY_KIB.into()))
        .passes(ITERATIONS)
        .lanes(1)
        .build()
        .unwrap_or(Params::DEFAULT);
    let mut hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hasher();
    let mut output = [0; 32];
    Box::new(move || {
        let done = hasher.hash_into(b"lilac-Harbour-42-zeppelin", &[7; 16], &mut output);
        assert!(done.is_ok());
        std::hint::black_box(&output);
    })
}

fn rust_crypto() -> Box<dyn FnMut()> {
    use argon2::{Algorithm, Argon2, Block, Params, Version};
    let params = Params::new(MEMORY_KIB, ITERATIONS, 1, Some(32)).unwrap_or_default();
    let mut memory = vec![Block::new(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut output = [0; 32];
    Box::new(move || {
        let done = argon2.hash_password_into_with_memory(
            b"lilac-Harbour-42-zeppelin",
            &[7; 16],
            &mut output,
            &mut memory,
        );
        assert!(done.is_ok());
        std::hint::black_box(&output);
    })
}
