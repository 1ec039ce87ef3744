//! Reloads a changed key ring while the service runs.
//!
//! The file is checked every `keys.reload_seconds`, and at once on SIGHUP. A file with an invalid ring is rejected
//! with one error in the log, and the ring in use stays. A file that cannot be read is tried again at every check:
//! a short problem of one machine must not leave its node behind the others.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use adapters_crypto::{KeyRing, KeyRingError, KeysInUse};
use authentication_app::ports::{KeyState, StoreError};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
    task::spawn_blocking,
    time::sleep,
};

use super::RingPlace;
use crate::workers::Stop;

/// Watches the file of the key ring in use.
#[derive(Clone)]
pub(super) struct KeyWatch {
    place: RingPlace,
    pub(super) view: KeyView,
    /// Production mode refuses keys that the service generated for development.
    refuses_development: bool,
    /// The state of the file when it was last read.
    seen: Option<Look>,
    /// The file has changed since then and could not be read.
    is_unreadable: bool,
    /// Notified of each key ring that was loaded.
    pub(super) changed: Arc<Notify>,
    every: Duration,
}

/// The public view of a [`KeyWatch`].
#[derive(Clone)]
pub(crate) struct KeyView {
    pub(crate) in_use: Arc<KeysInUse>,
    /// How many changed key rings were rejected.
    pub(crate) refused: Arc<AtomicU64>,
}

/// The metadata that differ when a file was replaced or written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Look {
    fn at(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

/// The state of the key ring's file. Taken before the file is read, so that a change in between is noticed at the
/// next check.
pub(super) fn look_at(place: &RingPlace) -> Option<Look> {
    place.file().and_then(|file| Look::at(file).ok())
}

impl KeyWatch {
    pub(super) fn new(
        place: RingPlace,
        keys: Arc<KeysInUse>,
        seen: Option<Look>,
        refuses_development: bool,
        every: Duration,
    ) -> Self {
        Self {
            place,
            view: KeyView {
                in_use: keys,
                refused: Arc::default(),
            },
            refuses_development,
            seen,
            is_unreadable: false,
            changed: Arc::default(),
            every,
        }
    }

    /// Watches until it is requested to stop.
    pub(super) async fn run(mut self, mut stop: Stop) -> Result<(), StoreError> {
        let mut hangups = hangups();
        loop {
            let asked = tokio::select! {
                () = stop.requested() => return Ok(()),
                () = sleep(self.every) => false,
                () = hangups.next() => true,
            };
            self.look(asked).await;
        }
    }

    async fn look(&mut self, asked: bool) {
        let Some(file) = self.place.file().cloned() else {
            if asked {
                tracing::warn!(
                    "the key ring comes from a setting: only a restart takes another one up"
                );
            }
            return;
        };
        let seen = self.seen;
        // A file system may block, so this runs outside the async threads.
        let looked = spawn_blocking(move || read_if_changed(&file, seen, asked)).await;
        if let Ok(looked) = looked {
            self.judge(looked, asked);
        }
    }

    fn judge(&mut self, (look, read): Looked, asked: bool) {
        let Some(read) = read else {
            self.is_unreadable = false;
            return;
        };
        let was_unreadable = self.is_unreadable;
        self.is_unreadable = matches!(
            read,
            Err(KeyRingError::File { .. } | KeyRingError::Missing(_))
        );
        if !self.is_unreadable {
            self.seen = look;
        } else if was_unreadable && !asked {
            // The error was logged before.
            return;
        }
        self.take_up(read);
    }

    fn take_up(&self, read: Result<KeyRing, KeyRingError>) {
        let taken_up = read.and_then(|ring| {
            if self.refuses_development && ring.is_development() {
                return Err(KeyRingError::ForDevelopment);
            }
            self.view.in_use.replace(ring)
        });
        match taken_up {
            Ok(()) => {
                let mut next = Vec::new();
                for key in self.view.in_use.keys() {
                    if key.state == KeyState::Next {
                        next.push(key.section.as_str());
                    }
                }
                tracing::info!(?next, "the changed key ring is in use");
                self.changed.notify_one();
            }
            Err(error) => {
                self.view.refused.fetch_add(1, Ordering::Relaxed);
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "the changed key ring is refused; the one before stays in use");
            }
        }
    }
}

type Looked = (Option<Look>, Option<Result<KeyRing, KeyRingError>>);

/// The key ring, unless the state of the file is unchanged. A file that disappears while it is replaced changes its
/// state twice, so it is read again when it is back.
fn read_if_changed(file: &Path, seen: Option<Look>, anyway: bool) -> Looked {
    let look = Look::at(file).ok();
    if look == seen && !anyway {
        return (look, None);
    }
    (look, Some(KeyRing::load(file)))
}

/// SIGHUP, which no longer terminates the process from here on.
struct Hangups(Option<Signal>);

fn hangups() -> Hangups {
    let signal = signal(SignalKind::hangup());
    if let Err(error) = &signal {
        tracing::warn!(%error, "SIGHUP is not listened to");
    }
    Hangups(signal.ok())
}

impl Hangups {
    async fn next(&mut self) {
        if let Some(signal) = &mut self.0
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use adapters_crypto::{StageError, SystemClock, SystemRandom};
    use authentication_app::ports::KeySection;
    use common::Clock as _;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum ChangeError {
        #[error(transparent)]
        Ring(#[from] KeyRingError),
        #[error(transparent)]
        Stage(#[from] StageError),
    }

    fn unreadable(file: &Path) -> Result<KeyRing, KeyRingError> {
        Err(KeyRingError::File {
            path: file.to_owned(),
            source: io::Error::other("too many open files"),
        })
    }

    #[tokio::test]
    async fn a_ring_that_could_not_be_read_for_a_moment_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        let ring = KeyRing::load_or_create(&file, &SystemRandom, SystemClock.now()).unwrap();
        let place = RingPlace::File(file.clone());
        let before = look_at(&place);
        let keys = KeysInUse::new(ring);
        let mut watch = KeyWatch::new(place, keys, before, false, Duration::from_secs(5));
        KeyRing::update(&file, &SystemRandom, |ring| {
            let section = KeySection::Codes;
            let next = ring.add_next(section, None, &SystemRandom, SystemClock.now());
            Ok::<_, ChangeError>(next?)
        })
        .unwrap();
        let expected = KeyRing::load(&file).unwrap().keys();
        for _ in 0..3 {
            let look = Look::at(&file).ok();
            watch.judge((look, Some(unreadable(&file))), false);
        }
        assert_ne!(watch.view.in_use.keys(), expected);
        assert_eq!(watch.view.refused.load(Ordering::Relaxed), 1, "said once");
        watch.judge((None, Some(unreadable(&file))), true);
        assert_eq!(
            watch.view.refused.load(Ordering::Relaxed),
            2,
            "and when asked"
        );
        // The file did not change.
        watch.look(false).await;
        assert_eq!(watch.view.in_use.keys(), expected);
    }
}
