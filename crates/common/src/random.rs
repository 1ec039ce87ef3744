//! The random number generator.

/// A cryptographically secure random number generator.
///
/// A port, so that tests can seed it while production uses the operating system's generator.
pub trait SecureRandom: Send + Sync {
    /// Fills `buffer` with unpredictable bytes.
    fn fill(&self, buffer: &mut [u8]);
}

/// Returns `N` unpredictable bytes.
pub fn bytes<const N: usize>(random: &dyn SecureRandom) -> [u8; N] {
    let mut buffer = [0; N];
    random.fill(&mut buffer);
    buffer
}
