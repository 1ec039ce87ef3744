use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Barrier},
};

use authentication_app::ports::{KeySection, KeyState};
use proptest::prelude::*;
use time::Duration;

use super::*;
use crate::test_support::{NOW, SeededRandom, ring};

const CODES: KeySection = KeySection::Codes;

/// The keys of a section, as `state id`.
fn states(ring: &KeyRing, section: KeySection) -> Vec<(KeyState, String)> {
    let keys = ring.keys().into_iter();
    keys.filter(|key| key.section == section)
        .map(|key| (key.state, key.id))
        .collect()
}

fn add_next(ring: &mut KeyRing, section: KeySection) -> Result<String, StageError> {
    ring.add_next(section, None, &SeededRandom::new(77), NOW)
}

#[test]
fn a_key_goes_through_its_stages_in_every_section() {
    for section in KeySection::ALL {
        let mut ring = ring(1);
        let [(KeyState::Current, first)] = &states(&ring, section)[..] else {
            panic!("{section} has one key");
        };
        let second = add_next(&mut ring, section).unwrap();
        let current = (KeyState::Current, first.clone());
        let next = (KeyState::Next, second.clone());
        assert_eq!(states(&ring, section), [current, next]);
        let later = NOW + Duration::HOUR;
        let promoted = ring.promote(section, later).unwrap();
        assert_eq!(promoted, (second.clone(), first.clone()));
        let current = (KeyState::Current, second.clone());
        let previous = (KeyState::Previous, first.clone());
        assert_eq!(states(&ring, section), [current.clone(), previous]);
        assert_eq!(ring.retire(section, first, later), Ok(KeyState::Previous));
        let retired = (KeyState::Retired, first.clone());
        assert_eq!(states(&ring, section), [current, retired]);
        let again = KeyRing::from_json(&ring.to_json()).unwrap();
        assert_eq!(again.keys(), ring.keys());
        let newest = ring
            .keys()
            .into_iter()
            .find(|key| key.id == second)
            .unwrap();
        assert_eq!((newest.made_at, newest.since), (Some(NOW), Some(later)));
    }
}

#[test]
fn a_step_that_is_none_is_refused_and_changes_nothing() {
    let mut ring = ring(1);
    let first = states(&ring, CODES)[0].1.clone();
    assert_eq!(ring.promote(CODES, NOW), Err(StageError::NoNext));
    assert_eq!(ring.retire(CODES, &first, NOW), Err(StageError::Current));
    assert_eq!(ring.retire(CODES, "none", NOW), Err(StageError::Unknown));
    let next = add_next(&mut ring, CODES).unwrap();
    assert_eq!(
        add_next(&mut ring, CODES),
        Err(StageError::NextIsThere(next.clone()))
    );
    let algorithm = Some(SigningAlgorithm::Es256);
    let odd = ring.add_next(
        KeySection::BlindIndex,
        algorithm,
        &SeededRandom::new(5),
        NOW,
    );
    assert_eq!(odd, Err(StageError::NoAlgorithm));
    assert_eq!(ring.retire(CODES, &next, NOW), Ok(KeyState::Next));
    assert_eq!(ring.retire(CODES, &next, NOW), Err(StageError::Unknown));
    // An id is never reused.
    assert_eq!(add_next(&mut ring, CODES), Err(StageError::IdIsTaken));
}

#[test]
fn a_next_signing_key_signs_as_the_current_one_or_as_told() {
    let mut ring = ring(1);
    let section = KeySection::Signing;
    let es256 = Some(SigningAlgorithm::Es256);
    ring.add_next(section, es256, &SeededRandom::new(5), NOW)
        .unwrap();
    ring.promote(section, NOW).unwrap();
    add_next(&mut ring, section).unwrap();
    let algorithms: Vec<_> = ring
        .keys()
        .into_iter()
        .filter_map(|key| key.algorithm)
        .collect();
    assert_eq!(algorithms, ["ES256", "ES256", "EdDSA"]);
}

#[test]
fn keys_without_times_count_from_their_first_change() {
    let mut document = crate::test_support::document(&ring(1));
    for key in document["codes"].as_array_mut().unwrap() {
        key.as_object_mut()
            .unwrap()
            .retain(|name, _| !["since", "made_at"].contains(&name.as_str()));
    }
    let mut ring = KeyRing::from_json(&document.to_string().into()).unwrap();
    let times = |ring: &KeyRing| {
        let keys = ring.keys();
        let key = keys.iter().find(|key| key.section == CODES).unwrap();
        (key.made_at, key.since)
    };
    assert_eq!(times(&ring), (None, None));
    add_next(&mut ring, KeySection::Signing).unwrap();
    assert_eq!(times(&ring), (None, Some(NOW)));
}

#[test]
fn a_ring_in_use_is_exchanged_for_a_later_form_of_itself_alone() {
    let keys = KeysInUse::new(ring(1));
    let before = keys.keys();
    let refused = keys.replace(ring(2)).unwrap_err();
    assert!(
        refused.to_string().contains("another key ring"),
        "{refused}"
    );
    assert_eq!(keys.keys(), before);
    let mut later = ring(1);
    for section in KeySection::ALL {
        add_next(&mut later, section).unwrap();
        let (_, replaced) = later.promote(section, NOW).unwrap();
        later.retire(section, &replaced, NOW).unwrap();
    }
    let expected = later.keys();
    keys.replace(later).unwrap();
    assert_eq!(keys.keys(), expected);
}

// ---- files

struct Folder {
    folder: tempfile::TempDir,
    path: PathBuf,
}

fn with_ring() -> Folder {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    KeyRing::load_or_create(&path, &SeededRandom::new(1), NOW).unwrap();
    Folder { folder, path }
}

#[derive(Debug, thiserror::Error)]
enum ChangeError {
    #[error(transparent)]
    Ring(#[from] KeyRingError),
    #[error(transparent)]
    Stage(#[from] StageError),
}

fn step(path: &Path, seed: u64) -> Result<String, ChangeError> {
    let random = SeededRandom::new(seed);
    KeyRing::update(path, &random, |ring| {
        Ok(ring.add_next(CODES, None, &random, NOW)?)
    })
}

#[test]
fn a_changed_ring_takes_the_place_of_the_one_before_with_its_mode() {
    let it = with_ring();
    fs::set_permissions(&it.path, fs::Permissions::from_mode(0o400)).unwrap();
    let next = step(&it.path, 5).unwrap();
    let ring = KeyRing::load(&it.path).unwrap();
    assert_eq!(ring.codes.next().unwrap().id(), next);
    let mode = fs::metadata(&it.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o400);
    let names: Vec<_> = fs::read_dir(it.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    // No lock file or draft is left, which might belong to another user.
    assert_eq!(names, ["keys.json"]);
}

#[test]
fn a_refused_change_leaves_the_file_as_it_was() {
    let it = with_ring();
    step(&it.path, 5).unwrap();
    let before = fs::read(&it.path).unwrap();
    assert!(matches!(
        step(&it.path, 6),
        Err(ChangeError::Stage(StageError::NextIsThere(_)))
    ));
    assert_eq!(fs::read(&it.path).unwrap(), before);
}

#[test]
fn a_link_stays_a_link() {
    let it = with_ring();
    let link = it.folder.path().join("link.json");
    std::os::unix::fs::symlink(&it.path, &link).unwrap();
    let next = step(&link, 5).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let ring = KeyRing::load(&it.path).unwrap();
    assert_eq!(ring.codes.next().unwrap().id(), next);
}

#[test]
fn a_draft_that_a_crash_left_is_in_nobodys_way() {
    let it = with_ring();
    let whole = fs::read_to_string(&it.path).unwrap();
    for (number, cut) in [0, 1, whole.len() / 2].into_iter().enumerate() {
        let draft = it.folder.path().join(format!(".keys.json.{number:016x}"));
        fs::write(draft, &whole[..cut]).unwrap();
    }
    assert_eq!(
        KeyRing::load(&it.path).unwrap().to_json().expose_secret(),
        whole
    );
    step(&it.path, 5).unwrap();
}

#[test]
fn a_torn_ring_is_refused_at_every_length() {
    let it = with_ring();
    let whole = fs::read_to_string(&it.path).unwrap();
    for cut in (0..whole.len() - 1).step_by(37) {
        let torn = KeyRing::from_json(&whole[..cut].into());
        assert!(matches!(torn, Err(KeyRingError::Malformed { .. })), "{cut}");
    }
    fs::write(&it.path, &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(
        step(&it.path, 5),
        Err(ChangeError::Ring(KeyRingError::Malformed { .. }))
    ));
}

#[test]
fn of_changes_at_one_moment_one_is_made() {
    for round in 0..20 {
        let it = with_ring();
        let start = Arc::new(Barrier::new(8));
        let rivals: Vec<_> = (0..8)
            .map(|seed| {
                let (path, start) = (it.path.clone(), Arc::clone(&start));
                std::thread::spawn(move || {
                    let random = SeededRandom::new(100 * (round + 1) + seed);
                    KeyRing::update(&path, &random, |ring| {
                        let next = ring.add_next(CODES, None, &random, NOW)?;
                        start.wait();
                        Ok::<_, ChangeError>(next)
                    })
                })
            })
            .collect();
        let done: Vec<_> = rivals
            .into_iter()
            .filter_map(|rival| rival.join().unwrap().ok())
            .collect();
        let ring = KeyRing::load(&it.path).unwrap();
        assert_eq!(done, [ring.codes.next().unwrap().id()]);
    }
}

#[derive(Debug, Clone)]
enum Move {
    Add,
    Promote,
    RetireNth(usize),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        Just(Move::Add),
        Just(Move::Promote),
        (0usize..4).prop_map(Move::RetireNth),
    ];
    prop::collection::vec(one, 0..12)
}

proptest! {
    #[test]
    fn whatever_is_done_a_ring_stays_a_ring(moves in moves(), section in 0usize..7) {
        let section = KeySection::ALL[section];
        let random = SeededRandom::new(3);
        let mut ring = ring(1);
        for step in moves {
            let known = states(&ring, section);
            let before = ring.keys();
            let refused = match step {
                Move::Add => ring.add_next(section, None, &random, NOW).is_err(),
                Move::Promote => ring.promote(section, NOW).is_err(),
                Move::RetireNth(nth) => {
                    let id = &known[nth % known.len()].1;
                    ring.retire(section, id, NOW).is_err()
                }
            };
            if refused {
                prop_assert_eq!(ring.keys(), before);
            }
            let after = states(&ring, section);
            let count = |state| after.iter().filter(|key| key.0 == state).count();
            prop_assert_eq!(count(KeyState::Current), 1);
            prop_assert!(count(KeyState::Next) <= 1);
            // No key is forgotten, not even a retired one.
            prop_assert!(known.iter().all(|(_, id)| after.iter().any(|key| &key.1 == id)));
            let again = KeyRing::from_json(&ring.to_json()).unwrap();
            prop_assert_eq!(again.keys(), ring.keys());
        }
    }
}
