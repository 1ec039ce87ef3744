//! Comparing what must not be guessed byte by byte.

use subtle::ConstantTimeEq as _;

/// Whether both are the same, in time that depends on their lengths alone and not on where they differ. The one
/// way to compare a secret, a code or a mac: types that hold one have no `==` (OWASP ASVS 5.0 V11.2.4).
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
