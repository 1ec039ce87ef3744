//! Where randomness comes from.

/// A cryptographically secure random number generator.
///
/// A port, so that tests can seed it and production can take the operating system's.
pub trait SecureRandom: Send + Sync {
    /// Fills `buffer` with unpredictable bytes.
    fn fill(&self, buffer: &mut [u8]);
}

/// `N` unpredictable bytes.
pub fn bytes<const N: usize>(random: &dyn SecureRandom) -> [u8; N] {
    let mut buffer = [0; N];
    random.fill(&mut buffer);
    buffer
}
