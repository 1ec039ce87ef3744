//! The broadcast of revocations.
