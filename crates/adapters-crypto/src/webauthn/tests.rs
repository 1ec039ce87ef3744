//! Complete ceremonies with a software authenticator, and each check at its boundary.

mod shapes;

use authentication_app::ports::{
    AllowedCredential, AssertionAnswer, AttestationAnswer, CeremonyFault, EnrolledCredential,
    EnrolmentSubject, RelyingParty as _,
};
use authentication_domain::passkeys::{CredentialState, UserHandle};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use testkit::authenticator::{AAGUID, Conduct, SoftPasskey};
use uuid::Uuid;

use super::*;

const ORIGIN: &str = "https://www.example.com";
const OTHER_ORIGIN: &str = "https://example.com:8443";
const APP: &str = "android:apk-key-hash:-sYXRdwJA3hvue3mKpYrOZ9zSPC7b4mbgzJmdZEDO5w";
const RELATED: &str = "https://example.net";

fn party() -> WebAuthnParty {
    WebAuthnParty::new(&WebAuthnConfig {
        rp_id: "example.com".to_owned(),
        rp_name: "Example".to_owned(),
        origins: [ORIGIN, OTHER_ORIGIN, APP].map(str::to_owned).to_vec(),
        related_origins: vec![RELATED.to_owned()],
    })
    .unwrap()
}

fn honest() -> Conduct {
    Conduct::at(ORIGIN)
}

fn bytes(credential: &Value, pointer: &str) -> Vec<u8> {
    let text = credential.pointer(pointer).and_then(Value::as_str).unwrap();
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn attestation(credential: &Value) -> AttestationAnswer {
    AttestationAnswer {
        credential_id: bytes(credential, "/rawId"),
        client_data: bytes(credential, "/response/clientDataJSON"),
        attestation_object: bytes(credential, "/response/attestationObject"),
        transports: vec!["internal".to_owned(), "carrier-pigeon".to_owned()],
    }
}

fn assertion(credential: &Value) -> AssertionAnswer {
    AssertionAnswer {
        credential_id: bytes(credential, "/rawId"),
        client_data: bytes(credential, "/response/clientDataJSON"),
        authenticator_data: bytes(credential, "/response/authenticatorData"),
        signature: bytes(credential, "/response/signature"),
        user_handle: Some(bytes(credential, "/response/userHandle")),
    }
}

fn subject(known: &[Vec<u8>]) -> EnrolmentSubject<'_> {
    EnrolmentSubject {
        handle: UserHandle([7; 16]),
        name: "ada@example.com",
        display_name: "Ada",
        known,
    }
}

fn enrol_as(
    party: &WebAuthnParty,
    conduct: &Conduct,
) -> (SoftPasskey, Result<EnrolledCredential, CeremonyFault>) {
    let begun = party.begin_enrolment(&subject(&[])).unwrap();
    let (passkey, credential) = SoftPasskey::create(&begun.options, conduct);
    let enrolled = party.finish_enrolment(&begun.state, &attestation(&credential));
    (passkey, enrolled)
}

fn enrol(party: &WebAuthnParty) -> (SoftPasskey, EnrolledCredential) {
    let (passkey, enrolled) = enrol_as(party, &honest());
    (passkey, enrolled.unwrap())
}

fn sign(
    party: &WebAuthnParty,
    passkey: &SoftPasskey,
    material: &str,
    conduct: &Conduct,
) -> Result<CredentialState, CeremonyFault> {
    let begun = party.begin_assertion(&[]).unwrap();
    let credential = passkey.sign(&begun.options, conduct);
    party.finish_assertion(&begun.state, &assertion(&credential), material)
}

#[test]
fn a_passkey_is_enrolled_and_signs() {
    let party = party();
    let (passkey, enrolled) = enrol(&party);
    assert_eq!(enrolled.id, passkey.id());
    assert_eq!(enrolled.aaguid, Some(Uuid::from_bytes(AAGUID)));
    assert_eq!(enrolled.transports, ["internal"]);
    for origin in [ORIGIN, OTHER_ORIGIN, APP, RELATED] {
        let (_, there) = enrol_as(&party, &Conduct::at(origin));
        assert!(there.is_ok(), "{origin}");
        let conduct = Conduct {
            counter: 3,
            ..Conduct::at(origin)
        };
        let signed = sign(&party, &passkey, &enrolled.material, &conduct).unwrap();
        let expected = CredentialState {
            counter: 3,
            backup_eligible: false,
            backed_up: false,
        };
        assert_eq!(signed, expected);
    }
    // The same relying party after a restart, or on another node.
    let signed = sign(&self::party(), &passkey, &enrolled.material, &honest());
    assert!(signed.is_ok());
}

/// The domain checks counters and backup flags, so a lower counter is accepted here.
#[test]
fn what_a_device_tells_of_itself_is_handed_on() {
    let party = party();
    let (passkey, enrolled) = enrol_as(
        &party,
        &Conduct {
            counter: 10,
            ..honest()
        },
    );
    let enrolled = enrolled.unwrap();
    assert_eq!(enrolled.state.counter, 10);
    for (counter, backup_eligible, backed_up) in
        [(9, false, false), (0, true, true), (11, true, false)]
    {
        let conduct = Conduct {
            counter,
            backup_eligible,
            backed_up,
            ..honest()
        };
        let told = CredentialState {
            counter,
            backup_eligible,
            backed_up,
        };
        let signed = sign(&party, &passkey, &enrolled.material, &conduct);
        assert_eq!(signed, Ok(told));
    }
}

#[test]
fn options_ask_for_a_verified_user() {
    let party = party();
    let known = [vec![1, 2, 3]];
    let created = party.begin_enrolment(&subject(&known)).unwrap().options;
    assert_eq!(
        created["user"]["id"],
        URL_SAFE_NO_PAD.encode([7; 16]).as_str()
    );
    assert_eq!(created["excludeCredentials"][0]["id"], "AQID");
    assert_eq!(created["timeout"], 300_000);
    let anybody = party.begin_assertion(&[]).unwrap().options;
    assert_eq!(anybody["userVerification"], "required");
    assert_eq!(anybody["allowCredentials"], json!([]));
    let one = AllowedCredential {
        id: vec![1, 2, 3],
        transports: vec!["internal".to_owned()],
    };
    let named = party.begin_assertion(&[one]).unwrap().options;
    let expected = json!([{"type": "public-key", "id": "AQID", "transports": ["internal"]}]);
    assert_eq!(named["allowCredentials"], expected);
    let challenge = URL_SAFE_NO_PAD.decode(named["challenge"].as_str().unwrap());
    assert!(challenge.unwrap().len() >= 16);
}

/// T26, T27, T29: the same table for both ceremonies.
#[test]
fn what_is_not_as_it_was_asked_for_is_named() {
    let party = party();
    let (passkey, enrolled) = enrol(&party);
    let table = [
        (
            CeremonyFault::WrongOrigin,
            Conduct::at("https://www.example.com."),
        ),
        (
            CeremonyFault::WrongOrigin,
            Conduct::at("https://example.com"),
        ),
        (
            CeremonyFault::WrongOrigin,
            Conduct::at("android:apk-key-hash:-sYXRdwJA3hvue3mKpYrOZ9zSPC7b4mbgzJmdZEDO5x"),
        ),
        (
            CeremonyFault::WrongOrigin,
            Conduct::at("https://www.example.net"),
        ),
        (
            CeremonyFault::CrossOrigin,
            Conduct {
                cross_origin: Some(true),
                ..honest()
            },
        ),
        (
            CeremonyFault::CrossOrigin,
            Conduct {
                top_origin: Some(ORIGIN.to_owned()),
                ..honest()
            },
        ),
        (
            CeremonyFault::WrongType,
            Conduct {
                kind: Some("payment.get".to_owned()),
                ..honest()
            },
        ),
        (
            CeremonyFault::WrongChallenge,
            Conduct {
                challenge: Some("AAAA".to_owned()),
                ..honest()
            },
        ),
        (
            CeremonyFault::WrongRelyingParty,
            Conduct {
                rp_id: Some("www.example.com".to_owned()),
                ..honest()
            },
        ),
        (
            CeremonyFault::UserNotVerified,
            Conduct {
                user_verified: false,
                ..honest()
            },
        ),
        (
            CeremonyFault::UserNotVerified,
            Conduct {
                user_present: false,
                ..honest()
            },
        ),
        (
            CeremonyFault::Malformed,
            Conduct {
                leftover: vec![0xa0],
                ..honest()
            },
        ),
    ];
    for (fault, conduct) in table {
        let (_, refused) = enrol_as(&party, &conduct);
        assert_eq!(refused.err(), Some(fault), "{conduct:?}");
        let refused = sign(&party, &passkey, &enrolled.material, &conduct);
        assert_eq!(refused, Err(fault), "{conduct:?}");
    }
}

/// "UTF-8 decode" removes one byte-order mark (Level 3 §7.1 step 5, §7.2 step 9); the signature covers it.
#[test]
fn a_byte_order_mark_before_client_data_is_passed_over_and_signed() {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let party = party();
    let marked = || Conduct {
        client_data: |data| [MARK, &data].concat(),
        ..honest()
    };
    let (passkey, enrolled) = enrol_as(&party, &marked());
    let material = enrolled.unwrap().material;
    assert!(sign(&party, &passkey, &material, &marked()).is_ok());
    // The checks that apply without a mark also apply with one.
    let (_, other) = enrol(&party);
    let refused = |material: &str, conduct| sign(&party, &passkey, material, &conduct).err();
    let forged = refused(&other.material, marked());
    assert_eq!(forged, Some(CeremonyFault::BadSignature));
    let elsewhere = Conduct {
        origin: "https://example.com".to_owned(),
        ..marked()
    };
    let foreign = refused(&material, elsewhere);
    assert_eq!(foreign, Some(CeremonyFault::WrongOrigin));
    let twice = Conduct {
        client_data: |data| [MARK, MARK, &data].concat(),
        ..honest()
    };
    let two = refused(&material, twice);
    assert_eq!(two, Some(CeremonyFault::Malformed));
    // Adding or removing a mark in transit invalidates the signature.
    let begun = party.begin_assertion(&[]).unwrap();
    for conduct in [honest(), marked()] {
        let mut answer = assertion(&passkey.sign(&begun.options, &conduct));
        answer.client_data = match answer.client_data.strip_prefix(MARK) {
            Some(rest) => rest.to_vec(),
            None => [MARK, &answer.client_data].concat(),
        };
        let changed = party.finish_assertion(&begun.state, &answer, &material);
        assert_eq!(changed, Err(CeremonyFault::BadSignature));
    }
}

/// T29.
#[test]
fn a_signature_of_another_key_is_none() {
    let party = party();
    let (passkey, _) = enrol(&party);
    let (_, other) = enrol(&party);
    let refused = sign(&party, &passkey, &other.material, &honest());
    assert!(refused.is_err());
}

/// T25: the state of one ceremony cannot complete another.
#[test]
fn a_state_is_of_its_ceremony() {
    let party = party();
    let (passkey, enrolled) = enrol(&party);
    let asked = party.begin_assertion(&[]).unwrap();
    let other = party.begin_assertion(&[]).unwrap();
    let credential = passkey.sign(&asked.options, &honest());
    let refused = party.finish_assertion(&other.state, &assertion(&credential), &enrolled.material);
    assert_eq!(refused, Err(CeremonyFault::WrongChallenge));
    let enrolment = party.begin_enrolment(&subject(&[])).unwrap();
    for state in [enrolment.state.as_slice(), b"", b"{}"] {
        let refused = party.finish_assertion(state, &assertion(&credential), &enrolled.material);
        assert_eq!(refused, Err(CeremonyFault::WrongChallenge));
    }
}

#[test]
fn an_id_beside_the_signed_one_is_refused() {
    let party = party();
    let begun = party.begin_enrolment(&subject(&[])).unwrap();
    let (_, credential) = SoftPasskey::create(&begun.options, &honest());
    let answer = AttestationAnswer {
        credential_id: vec![1, 2, 3],
        ..attestation(&credential)
    };
    let refused = party.finish_enrolment(&begun.state, &answer);
    assert_eq!(refused.err(), Some(CeremonyFault::Malformed));
}

/// T29: arbitrary input never causes a panic.
#[test]
fn junk_is_refused_without_a_panic() {
    let party = party();
    let begun = party.begin_enrolment(&subject(&[])).unwrap();
    let (_, credential) = SoftPasskey::create(&begun.options, &honest());
    let good = attestation(&credential);
    for cut in 0..good.attestation_object.len() {
        let answer = AttestationAnswer {
            attestation_object: good.attestation_object[..cut].to_vec(),
            ..attestation(&credential)
        };
        let refused = party.finish_enrolment(&begun.state, &answer);
        assert_eq!(refused.err(), Some(CeremonyFault::Malformed), "{cut}");
    }
    for at in 0..good.attestation_object.len() {
        let mut object = good.attestation_object.clone();
        object[at] ^= 0x80;
        let answer = AttestationAnswer {
            attestation_object: object,
            ..attestation(&credential)
        };
        // Some bytes are chosen by the device, so any result is acceptable except a panic.
        let _ = party.finish_enrolment(&begun.state, &answer);
    }
}

#[test]
fn a_page_of_another_domain_is_no_configuration() {
    let config = |origins: &[&str]| WebAuthnConfig {
        rp_id: "example.com".to_owned(),
        rp_name: "Example".to_owned(),
        origins: origins.iter().map(|it| (*it).to_owned()).collect(),
        related_origins: Vec::new(),
    };
    let refused = |origins: &[&str]| WebAuthnParty::new(&config(origins)).err();
    assert_eq!(refused(&[]), Some(WebAuthnConfigError::NoOrigin));
    let foreign = Some(WebAuthnConfigError::ForeignOrigin);
    for evil in [
        "https://evil.example",
        "https://evilexample.com",
        "https://192.0.2.7",
    ] {
        assert_eq!(refused(&[ORIGIN, evil]), foreign);
    }
    assert_eq!(refused(&["no origin"]), Some(WebAuthnConfigError::NoUrl));
    for good in [ORIGIN, APP] {
        assert_eq!(refused(&[good]), None);
    }
}

#[test]
fn the_origin_of_an_android_app_is_a_digest_in_base64url() {
    assert!(is_android_app(APP));
    for other in [
        "https://example.com",
        "android:apk-key-hash:",
        "android:apk-key-hash:-sYXRdwJA3hvue3mKpYrOZ9zSPC7b4mbgzJmdZEDO5w=",
        "android:apk-key-hash:+sYXRdwJA3hvue3mKpYrOZ9zSPC7b4mbgzJmdZEDO5w",
        "android:apk-key-hash:-sYXRdwJA3hvue3mKpYrOZ9zSPC7b4mbgzJmdZEDO5",
        "Android:apk-key-hash:-sYXRdwJA3hvue3mKpYrOZ9zSPC7b4mbgzJmdZEDO5w",
        "android:apk-key-hash-sha256:-sYXRdwJA3hvue3mKpYrOZ9zSPC7b4mbgzJmdZEDO5w",
        "android:apk-key-hash:FA:C6:17:45:DC:09:03:78:6F:B9:ED:E6:2A:96:2B:39",
    ] {
        assert!(!is_android_app(other), "{other}");
    }
}
