//! Every place where the service leaves something.

use std::{
    ffi::OsStr,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use testkit::{Engine, TestDatabase};

use super::secrets::Kind;
use crate::app::TestApp;

/// Something that was written.
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) content: Vec<u8>,
    pub(crate) holds: Holds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    Text,
    Bytes,
}

impl Place {
    pub(crate) fn text(name: impl Into<String>, content: String) -> Self {
        let (name, content) = (name.into(), content.into_bytes());
        Self {
            name,
            content,
            holds: Holds::Text,
        }
    }

    /// Whether a secret of that kind is one where it was found.
    pub(crate) fn counts(&self, kind: Kind, start: usize, length: usize) -> bool {
        let is_word =
            |byte: Option<&u8>| byte.is_some_and(|it| it.is_ascii_alphanumeric() || *it == b'_');
        match kind {
            Kind::Unique => true,
            Kind::Code => {
                let before = start.checked_sub(1).and_then(|at| self.content.get(at));
                let after = self.content.get(start + length);
                self.holds != Holds::Bytes && !is_word(before) && !is_word(after)
            }
        }
    }

    pub(crate) fn around(&self, at: usize) -> String {
        let end = self.content.len().min(at + 120);
        let shown = String::from_utf8_lossy(&self.content[at.saturating_sub(80)..end]);
        shown.escape_debug().to_string()
    }
}

/// The rows of every table, as text: what is compressed or spread over pages cannot be seen in the files.
pub(crate) async fn tables(database: &TestDatabase) -> Vec<Place> {
    let tables = match database.engine() {
        Engine::Embedded => "SELECT name AS text FROM sqlite_schema WHERE type = 'table'",
        Engine::Production => {
            "SELECT c.relname::text AS text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind = 'r' AND n.nspname = 'public'"
        }
    };
    let mut places = Vec::new();
    for table in texts(database, tables).await {
        let rows = match database.engine() {
            Engine::Embedded => {
                let columns = format!(
                    "SELECT 'quote(\"' || name || '\")' AS text FROM pragma_table_info('{table}')"
                );
                let columns = texts(database, &columns).await.join(" || ' ' || ");
                format!("SELECT {columns} AS text FROM \"{table}\"")
            }
            Engine::Production => format!("SELECT it::text AS text FROM \"{table}\" it"),
        };
        let rows = texts(database, &rows).await;
        places.push(Place::text(format!("table {table}"), rows.join("\n")));
    }
    places
}

async fn texts(database: &TestDatabase, sql: &str) -> Vec<String> {
    let rows = database.rows(sql).await;
    rows.iter()
        .map(|row| row.try_get("", "text").expect("a text"))
        .collect()
}

/// Where the database keeps its files, and which of them are another test's.
pub(crate) struct DatabaseFiles {
    folders: Vec<PathBuf>,
    own: String,
    since: SystemTime,
}

impl DatabaseFiles {
    /// To be asked before anything is written.
    pub(crate) async fn of(app: &TestApp) -> Self {
        let database = app.database();
        let since = app
            .data_dir()
            .metadata()
            .and_then(|it| it.modified())
            .expect("a time");
        match database.engine() {
            Engine::Embedded => {
                let url = database.url().trim_start_matches("sqlite://");
                let file = Path::new(url.split('?').next().expect("a path"));
                let folder = file.parent().expect("a folder").to_owned();
                Self {
                    folders: vec![folder],
                    own: String::new(),
                    since,
                }
            }
            Engine::Production => {
                let settings = database.rows("SHOW data_directory").await;
                let folder: String = settings[0].try_get("", "data_directory").expect("a path");
                let folder = PathBuf::from(folder);
                let log = folder.with_file_name("log");
                let own =
                    "SELECT oid::text AS text FROM pg_database WHERE datname = current_database()";
                let own = texts(database, own).await.remove(0);
                Self {
                    folders: vec![folder, log],
                    own,
                    since,
                }
            }
        }
    }

    /// All that were written since.
    pub(crate) async fn written(&self, database: &TestDatabase) -> Vec<PathBuf> {
        if database.engine() == Engine::Production {
            database.execute("CHECKPOINT").await;
        }
        let mut files = Vec::new();
        for folder in &self.folders {
            collect_files(folder, &mut files, &|path| self.is_another_databases(path));
        }
        files.retain(|file| {
            let written = file.metadata().and_then(|it| it.modified());
            written.is_ok_and(|written| written >= self.since)
        });
        files
    }

    fn is_another_databases(&self, path: &Path) -> bool {
        path.parent().and_then(Path::file_name) == Some(OsStr::new("base"))
            && path.file_name() != Some(OsStr::new(&self.own))
    }
}

/// Every file under a path. A server's files come and go while one looks.
pub(crate) fn collect_files(
    path: &Path,
    files: &mut Vec<PathBuf>,
    skipped: &dyn Fn(&Path) -> bool,
) {
    let Some(kind) = present(path.symlink_metadata(), path) else {
        return;
    };
    if kind.is_file() {
        files.push(path.to_owned());
    } else if kind.is_dir() && !skipped(path) {
        for entry in present(fs::read_dir(path), path).into_iter().flatten() {
            collect_files(&entry.expect("an entry").path(), files, skipped);
        }
    }
}

/// A file as it is now, if it is still there.
pub(crate) fn file(path: &Path) -> Option<Place> {
    let content = present(fs::read(path), path)?;
    let name = format!("file {}", path.display());
    Some(Place {
        name,
        content,
        holds: Holds::Bytes,
    })
}

fn present<T>(result: std::io::Result<T>, path: &Path) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("{} cannot be read: {error}", path.display()),
    }
}

/// Every key under the service's prefix with what it holds, now: most of it is gone within a minute.
pub(crate) fn redis(prefix: &str) -> Place {
    const DUMP: &str = "
        local read = {
            string = function(key) return redis.call('GET', key) end,
            hash = function(key) return redis.call('HGETALL', key) end,
            list = function(key) return redis.call('LRANGE', key, 0, -1) end,
            set = function(key) return redis.call('SMEMBERS', key) end,
            zset = function(key) return redis.call('ZRANGE', key, 0, -1) end,
            stream = function(key) return redis.call('XRANGE', key, '-', '+') end,
        }
        local all = {}
        for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do
            table.insert(all, {key, read[redis.call('TYPE', key).ok](key)})
        end
        return all";
    Place {
        name: "Redis".to_owned(),
        content: redis_cli(&["EVAL", DUMP, "0", prefix]),
        holds: Holds::Text,
    }
}

pub(crate) fn redis_cli(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("redis-cli")
        .args(["-u", &testkit::redis_url(), "--no-auth-warning", "--raw"])
        .args(arguments)
        .output()
        .expect("redis-cli runs");
    assert!(output.status.success(), "{output:?}");
    output.stdout
}
