//! The public key of a new credential (Level 3 §6.5.1, §5.8.5; RFC 9053 §7.1, RFC 8230 §4).
//!
//! An algorithm has exactly one curve and one shape here: `alg` and the members that its key type requires,
//! and no optional ones. The library checks that the point is on its curve.

use ciborium::Value;

const KIND: i64 = 1;
const ALGORITHM: i64 = 3;
const CURVE: i64 = -1;
const X: i64 = -2;
const Y: i64 = -3;
/// For RSA. The meaning of these labels depends on the key type.
const MODULUS: i64 = -1;
const EXPONENT: i64 = -2;

const EC2: i64 = 2;
const RSA: i64 = 3;

const ES256: i64 = -7;
const ES384: i64 = -35;
const RS256: i64 = -257;

const P256: i64 = 1;
const P384: i64 = 2;

/// In bytes: 2048 bits, the only size that the library accepts.
const RSA_MODULUS: usize = 256;
/// 65537, the minimum of FIPS 186-5 §5.4, in the length that the library accepts.
const RSA_EXPONENT: [u8; 3] = [1, 0, 1];

/// Whether this is a key of an offered algorithm, in the shape of that algorithm.
pub(super) fn is_sound(members: &[(Value, Value)]) -> bool {
    match (number(members, KIND), number(members, ALGORITHM)) {
        (Some(EC2), Some(ES256)) => is_point(members, P256, 32),
        (Some(EC2), Some(ES384)) => is_point(members, P384, 48),
        (Some(RSA), Some(RS256)) => is_rsa(members),
        _ => false,
    }
}

fn is_point(members: &[(Value, Value)], curve: i64, size: usize) -> bool {
    let is_coordinate = |label| bytes(members, label).is_some_and(|it| it.len() == size);
    members.len() == 5
        && number(members, CURVE) == Some(curve)
        && is_coordinate(X)
        && is_coordinate(Y)
}

fn is_rsa(members: &[(Value, Value)]) -> bool {
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    let is_modulus = |it: &[u8]| {
        it.len() == RSA_MODULUS && it.first().is_some_and(|first| first & 0x80 != 0) && is_odd(it)
    };
    let is_exponent =
        |it: &[u8]| it.len() == RSA_EXPONENT.len() && it >= &RSA_EXPONENT[..] && is_odd(it);
    members.len() == 4
        && bytes(members, MODULUS).is_some_and(is_modulus)
        && bytes(members, EXPONENT).is_some_and(is_exponent)
}

fn member(members: &[(Value, Value)], label: i64) -> Option<&Value> {
    let label = Value::from(label);
    let found = members.iter().find(|(name, _)| *name == label);
    found.map(|(_, value)| value)
}

fn number(members: &[(Value, Value)], label: i64) -> Option<i64> {
    let number = member(members, label)?.as_integer()?;
    i64::try_from(number).ok()
}

fn bytes(members: &[(Value, Value)], label: i64) -> Option<&[u8]> {
    Some(member(members, label)?.as_bytes()?.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ec(algorithm: i64, curve: i64, size: usize) -> Vec<(Value, Value)> {
        let coordinate = || Value::Bytes(vec![7; size]);
        vec![
            (KIND.into(), EC2.into()),
            (ALGORITHM.into(), algorithm.into()),
            (CURVE.into(), curve.into()),
            (X.into(), coordinate()),
            (Y.into(), coordinate()),
        ]
    }

    fn rsa(modulus: Vec<u8>, exponent: &[u8]) -> Vec<(Value, Value)> {
        vec![
            (KIND.into(), RSA.into()),
            (ALGORITHM.into(), RS256.into()),
            (MODULUS.into(), Value::Bytes(modulus)),
            (EXPONENT.into(), Value::Bytes(exponent.to_vec())),
        ]
    }

    #[test]
    fn an_algorithm_has_one_curve_and_one_size() {
        for algorithm in [ES256, ES384, -36, -8, RS256, 0, 7] {
            for curve in [0, P256, P384, 3, 6] {
                for size in [0, 31, 32, 33, 47, 48, 49, 66] {
                    let expected = matches!(
                        (algorithm, curve, size),
                        (ES256, P256, 32) | (ES384, P384, 48)
                    );
                    let key = ec(algorithm, curve, size);
                    assert_eq!(is_sound(&key), expected, "{algorithm} {curve} {size}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_missing_and_nothing_is_optional() {
        for key in [ec(ES256, P256, 32), rsa(vec![0xff; 256], &[1, 0, 1])] {
            assert!(is_sound(&key));
            for left_out in 0..key.len() {
                let mut less = key.clone();
                less.remove(left_out);
                assert!(!is_sound(&less), "without {left_out}");
            }
            let mut more = key;
            more.push((4.into(), Value::Array(vec![2.into()])));
            assert!(!is_sound(&more), "with key_ops");
        }
    }

    #[test]
    fn an_rsa_key_has_2048_bits_and_an_odd_exponent_that_is_not_small() {
        let full = vec![0xff; 256];
        for (modulus, exponent, expected) in [
            (full.clone(), &[1, 0, 1][..], true),
            (full.clone(), &[0xff, 0xff, 0xff], true),
            (full.clone(), &[1, 0, 0], false),
            (full.clone(), &[0, 0, 3], false),
            (full.clone(), &[3], false),
            (full, &[1, 0, 0, 1], false),
            (vec![0xff; 128], &[1, 0, 1], false),
            (vec![0xff; 257], &[1, 0, 1], false),
            ([vec![0x7f], vec![0xff; 255]].concat(), &[1, 0, 1], false),
            ([vec![0xff; 255], vec![0xfe]].concat(), &[1, 0, 1], false),
        ] {
            assert_eq!(is_sound(&rsa(modulus, exponent)), expected, "{exponent:?}");
        }
    }
}
