//! One malformed shape per row: what Level 3 §7.1 refuses, and what another library would have accepted.

use super::*;

/// The COSE key that the device creates: a5 | 01 02 | 03 26 | 20 01 | 21 58 20 x | 22 58 20 y.
const ALGORITHM: usize = 4;
const CURVE: usize = 6;
const Y: usize = 42;

fn refused(conduct: &Conduct) -> Option<CeremonyFault> {
    enrol_as(&party(), conduct).1.err()
}

fn with_key(cose_key: fn(Vec<u8>) -> Vec<u8>) -> Conduct {
    Conduct {
        cose_key,
        ..honest()
    }
}

fn with_object(attestation_object: fn(Vec<u8>) -> Vec<u8>) -> Conduct {
    Conduct {
        attestation_object,
        ..honest()
    }
}

fn with_client_data(client_data: fn(Vec<u8>) -> Vec<u8>) -> Conduct {
    Conduct {
        client_data,
        ..honest()
    }
}

/// Replaces one byte by these bytes.
fn spliced(mut bytes: Vec<u8>, at: usize, with: &[u8]) -> Vec<u8> {
    bytes.splice(at..=at, with.iter().copied());
    bytes
}

/// Changes the first byte and appends bytes.
fn wrapped(mut bytes: Vec<u8>, first: u8, end: &[u8]) -> Vec<u8> {
    bytes[0] = first;
    bytes.extend(end);
    bytes
}

/// A mutation of a well-formed value.
type Change = fn(Vec<u8>) -> Vec<u8>;

#[test]
fn a_key_has_the_algorithms_curve_and_is_written_canonically() {
    assert_eq!(refused(&with_key(|key| key)), None);
    let table: [(&str, Change); 14] = [
        ("ES384 on P-256", |key| {
            spliced(key, ALGORITHM, &[0x38, 0x22])
        }),
        ("ES512 on P-256", |key| {
            spliced(key, ALGORITHM, &[0x38, 0x23])
        }),
        ("an algorithm that was not offered", |key| {
            spliced(key, ALGORITHM, &[0x27])
        }),
        ("ES256 on P-384", |key| spliced(key, CURVE, &[0x02])),
        ("no algorithm", |key| {
            let key = [&key[..3], &key[5..]].concat();
            wrapped(key, 0xa4, &[])
        }),
        ("a map without a length", |key| wrapped(key, 0xbf, &[0xff])),
        ("a length in two bytes", |key| {
            spliced(key, 0, &[0xb8, 0x05])
        }),
        ("a number in two bytes", |key| {
            spliced(key, CURVE, &[0x18, 0x01])
        }),
        ("keys out of order", |mut key| {
            key[1..5].rotate_left(2);
            key
        }),
        ("a key twice", |key| {
            let key = [&key[..5], &key[3..]].concat();
            wrapped(key, 0xa6, &[])
        }),
        ("a member too many", |key| {
            wrapped(key, 0xa6, &[0x23, 0x41, 0x00])
        }),
        ("a tag", |key| [vec![0xd9, 0xd9, 0xf7], key].concat()),
        ("a point that is not on the curve", |mut key| {
            key[Y + 5] ^= 1;
            key
        }),
        ("a compressed point", |key| {
            wrapped([&key[..Y], &[0xf5]].concat(), 0xa5, &[])
        }),
    ];
    for (what, key) in table {
        assert!(refused(&with_key(key)).is_some(), "{what}");
    }
}

#[test]
fn an_attestation_object_is_written_canonically() {
    assert_eq!(refused(&with_object(|object| object)), None);
    let table: [(&str, Change); 8] = [
        ("a map without a length", |object| {
            wrapped(object, 0xbf, &[0xff])
        }),
        ("a length in two bytes", |object| {
            spliced(object, 0, &[0xb8, 0x03])
        }),
        ("bytes after it", |object| wrapped(object, 0xa3, &[0x00])),
        ("a member too many", |object| {
            let more = [&[0x69][..], b"something", &[0x00]].concat();
            wrapped(object, 0xa4, &more)
        }),
        ("a member twice", |object| {
            let first = object[1..10].to_vec();
            let object = [&[0xa4][..], &first, &object[1..]].concat();
            wrapped(object, 0xa4, &[])
        }),
        ("members out of order", |object| {
            // Swaps "fmt": "none" (9 bytes) and "attStmt": {} (9 bytes).
            let mut object = object;
            object[1..19].rotate_left(9);
            object
        }),
        ("a statement without a length", |object| {
            spliced(object, 18, &[0xbf, 0xff])
        }),
        ("authenticator data in pieces", |object| {
            // 19 is the name of the data, 28 the head of its bytes.
            let object = spliced(object, 28, &[0x5f, 0x58]);
            wrapped(object, 0xa3, &[0xff])
        }),
    ];
    for (what, object) in table {
        let fault = refused(&with_object(object));
        assert_eq!(fault, Some(CeremonyFault::Malformed), "{what}");
    }
}

#[test]
fn extensions_are_written_canonically_in_both_ceremonies() {
    let party = party();
    let (passkey, enrolled) = enrol(&party);
    for (extensions, is_good) in [
        (&[0xa0][..], true),
        (&[0xa1, 0x61, 0x61, 0xf5], true),
        (&[0xbf, 0xff], false),
        (&[0xb8, 0x00], false),
        (&[0xa2, 0x61, 0x62, 0xf5, 0x61, 0x61, 0xf5], false),
        (&[0xa2, 0x61, 0x61, 0xf5, 0x61, 0x61, 0xf4], false),
        (&[0x80], false),
        (&[], false),
    ] {
        let conduct = Conduct {
            extensions: Some(extensions.to_vec()),
            ..honest()
        };
        let (_, created) = enrol_as(&party, &conduct);
        assert_eq!(created.is_ok(), is_good, "created: {extensions:02x?}");
        let signed = sign(&party, &passkey, &enrolled.material, &conduct);
        assert_eq!(signed.is_ok(), is_good, "signed: {extensions:02x?}");
    }
}

#[test]
fn client_data_is_text_that_says_everything_once() {
    let party = party();
    let (passkey, enrolled) = enrol(&party);
    let table: [(&str, bool, Change); 7] = [
        ("a member nobody knows", true, |data| {
            [&data[..data.len() - 1], br#","x":"y"}"#].concat()
        }),
        ("a member nobody knows in no UTF-8", false, |data| {
            [&data[..data.len() - 1], b",\"x\":\"\xff\"}"].concat()
        }),
        // UTF-8 decode strips one mark (Encoding Standard §6, referenced by Level 3 §5.8.1).
        ("a mark of byte order", true, |data| {
            [&b"\xef\xbb\xbf"[..], &data].concat()
        }),
        ("two marks of byte order", false, |data| {
            [&b"\xef\xbb\xbf\xef\xbb\xbf"[..], &data].concat()
        }),
        ("a member twice", false, |data| {
            [&data[..data.len() - 1], br#","crossOrigin":false}"#].concat()
        }),
        ("an origin twice", false, |data| {
            let more = br#","origin":"https://www.example.com"}"#;
            [&data[..data.len() - 1], more].concat()
        }),
        ("something after it", false, |data| {
            [&data[..], b"{}"].concat()
        }),
    ];
    for (what, is_good, client_data) in table {
        let conduct = with_client_data(client_data);
        let (_, created) = enrol_as(&party, &conduct);
        assert_eq!(created.is_ok(), is_good, "created: {what}");
        let signed = sign(&party, &passkey, &enrolled.material, &conduct);
        assert_eq!(signed.is_ok(), is_good, "signed: {what}");
    }
}
