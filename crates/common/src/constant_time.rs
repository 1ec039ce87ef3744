//! Constant-time comparison of secrets.

use subtle::ConstantTimeEq as _;

/// Compares two values in time that depends only on their lengths, not on where they differ. It is the only
/// way to compare a secret, a code or a MAC: types that hold one do not implement `==` (OWASP ASVS 5.0
/// V11.2.4).
pub fn is_equal(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_what_an_ordinary_comparison_tells() {
        let texts: [&[u8]; 7] = [b"", b"a", b"b", b"ab", b"aa", b"\0", b"a\0"];
        for one in texts {
            for other in texts {
                assert_eq!(is_equal(one, other), one == other);
            }
        }
    }
}
