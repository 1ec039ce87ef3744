//! PostgreSQL's tools: `pg_dump`, `pg_restore` and `psql` as child processes.
//!
//! They receive the connection parameters and the password in their environment, because every user of the machine
//! can read a command line.

use std::{
    fs::File,
    io::{self, Read, Write as _},
    path::PathBuf,
    process::{Child, ChildStderr, Command, Stdio},
    thread,
};

use identity_adapters_postgres::ServerCopy;
use percent_encoding::percent_decode_str;
use url::Url;

use super::{BackupError, archive::Archive};
use crate::config::Config;

/// The most bytes of a tool's error output that are read.
const MOST_SAID: u64 = 64 << 10;
/// The most lines of it that are shown.
const LINES: usize = 3;

/// The location of the tools.
pub(super) struct Tools {
    folder: Option<PathBuf>,
}

impl Tools {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            folder: config.database.tools_dir.clone(),
        }
    }

    fn command(&self, tool: &'static str) -> Command {
        let mut command = match &self.folder {
            Some(folder) => Command::new(folder.join(tool)),
            None => Command::new(tool),
        };
        // Error messages are read by operators and by tests, so they stay in English.
        command
            .env("LC_ALL", "C")
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// Dumps a snapshot into a file. The output passes through this process, so that the tool ends when this
    /// process does.
    pub(super) fn dump(
        &self,
        url: &Url,
        copy: &ServerCopy,
        mut into: &File,
    ) -> Result<(), BackupError> {
        let tool = "pg_dump";
        let mut dumping = self
            .command(tool)
            .args([
                "--format=custom",
                "--no-password",
                "--lock-wait-timeout=30s",
            ])
            .arg(format!("--snapshot={}", copy.snapshot))
            .arg(format!("--schema={}", copy.schema))
            .envs(environment(url)?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed(tool, &error))?;
        let (dump, complaints) = (dumping.stdout.take(), dumping.stderr.take());
        let (copied, said) = thread::scope(|threads| {
            let complaining = threads.spawn(move || said_by(complaints));
            let copied = dump.map_or(Ok(0), |mut dump| io::copy(&mut dump, &mut into));
            (copied, complaining.join().unwrap_or_default())
        });
        let ended = dumping.wait().map_err(|error| failed(tool, &error))?;
        copied.map_err(|error| failed(tool, &error))?;
        if ended.success() {
            return Ok(());
        }
        let mut said = shown(&said);
        if said.contains("permission denied") {
            said.push_str(" (make backups as the role for them: deploy/roles.sql)");
        }
        Err(BackupError::Tool { tool, said })
    }

    /// Checks that `pg_restore` can read a dump.
    pub(super) fn list(&self, archive: &mut Archive) -> Result<(), BackupError> {
        let tool = "pg_restore";
        let mut child = self
            .command(tool)
            .arg("--list")
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|error| failed(tool, &error))?;
        let stdin = child.stdin.take();
        if let Some(mut stdin) = stdin {
            // `pg_restore` stops reading after the table of contents.
            feed(archive, &mut stdin).map_err(|error| failed(tool, &error))?;
        }
        let done = child
            .wait_with_output()
            .map_err(|error| failed(tool, &error))?;
        if done.status.success() {
            return Ok(());
        }
        let said = shown(&String::from_utf8_lossy(&done.stderr));
        Err(BackupError::Tool { tool, said })
    }

    /// Restores a dump into a database in one transaction: `before`, the data of `schema`, `after`.
    pub(super) fn load(
        &self,
        url: &Url,
        archive: &mut Archive,
        schema: &str,
        (before, after): (&str, &str),
    ) -> Result<(), BackupError> {
        let mut restoring = self
            .command("pg_restore")
            .args([
                "--file=-",
                "--no-owner",
                "--no-privileges",
                "--exit-on-error",
            ])
            .arg(format!("--schema={schema}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed("pg_restore", &error))?;
        let loading = self
            .command("psql")
            .args([
                "--no-psqlrc",
                "--no-password",
                "--quiet",
                "--set=ON_ERROR_STOP=1",
            ])
            .envs(environment(url)?)
            .stdin(Stdio::piped())
            .spawn();
        let mut loading = match loading {
            Ok(child) => child,
            Err(error) => {
                end(&mut restoring);
                return Err(failed("psql", &error));
            }
        };
        let pipes = (
            restoring.stdin.take(),
            restoring.stdout.take(),
            loading.stdin.take(),
        );
        let (Some(mut dump), Some(mut script), Some(mut commands)) = pipes else {
            end(&mut restoring);
            end(&mut loading);
            return Err(failed("psql", &io::ErrorKind::BrokenPipe.into()));
        };
        let complaints = (restoring.stderr.take(), loading.stderr.take());
        thread::scope(|threads| {
            let of_restoring = threads.spawn(move || said_by(complaints.0));
            let of_loading = threads.spawn(move || said_by(complaints.1));
            let feeding = threads.spawn(move || feed(archive, &mut dump));
            let passed = commands
                .write_all(before.as_bytes())
                .and_then(|()| io::copy(&mut script, &mut commands).map(drop));
            // Closes the pipe, so that a writer that still fills it fails instead of blocking forever.
            drop(script);
            let fed = feeding
                .join()
                .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
            let restored = restoring.wait();
            let is_complete =
                passed.is_ok() && fed.is_ok() && restored.is_ok_and(|status| status.success());
            if is_complete {
                // A failed write shows in the exit status.
                let _ = commands.write_all(after.as_bytes());
            } else if passed.is_ok() {
                // Without the last commands there is no COMMIT. The kill makes this independent of how the tool
                // treats the end of its input.
                let _ = loading.kill();
            }
            drop(commands);
            let loaded = loading.wait();
            let (restoring, loading) = (of_restoring.join(), of_loading.join());
            let said = |lines: thread::Result<String>| shown(&lines.unwrap_or_default());
            match loaded {
                Ok(status) if status.success() && is_complete => Ok(()),
                _ if passed.is_err() || is_complete => Err(BackupError::Tool {
                    tool: "psql",
                    said: with_owner(said(loading)),
                }),
                _ => Err(BackupError::Tool {
                    tool: "pg_restore",
                    said: said(restoring),
                }),
            }
        })
    }
}

fn end(child: &mut Child) {
    // It may have exited already.
    let _ = child.kill();
    let _ = child.wait();
}

fn feed(archive: &mut Archive, into: &mut dyn io::Write) -> io::Result<()> {
    match archive.copy_to(into) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

fn said_by(pipe: Option<ChildStderr>) -> String {
    let mut said = Vec::new();
    if let Some(mut pipe) = pipe {
        // After a read error, the output up to it is used.
        let _ = (&mut pipe).take(MOST_SAID).read_to_end(&mut said);
        let _ = io::copy(&mut pipe, &mut io::sink());
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// The lines with the reason for the failure; details and contexts may quote rows.
fn shown(said: &str) -> String {
    let is_reason = |line: &&str| {
        let line = line.to_lowercase();
        line.contains("error:") || line.contains("fatal:") || line.contains("permission denied")
    };
    let reasons: Vec<&str> = said
        .lines()
        .filter(is_reason)
        .take(LINES)
        .map(str::trim)
        .collect();
    if reasons.is_empty() {
        "it did not say why".to_owned()
    } else {
        reasons.join("; ")
    }
}

fn failed(tool: &'static str, error: &io::Error) -> BackupError {
    if error.kind() == io::ErrorKind::NotFound {
        BackupError::NoTool { tool }
    } else {
        BackupError::Tool {
            tool,
            said: error.to_string(),
        }
    }
}

/// Appends a hint about the owner to an error about missing rights in a schema.
fn with_owner(mut said: String) -> String {
    if said.contains("permission denied") || said.contains("must be owner") {
        said.push_str(" (restore as the role that owns the schema)");
    }
    said
}

/// The parameters of a server's URL that the tools support, each with its environment variable.
const PARAMETERS: [(&str, &str); 11] = [
    ("host", "PGHOST"),
    ("port", "PGPORT"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("dbname", "PGDATABASE"),
    ("application_name", "PGAPPNAME"),
    ("options", "PGOPTIONS"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
];

/// The environment with which the tools reach the server of this URL. All parts but the database are parameters
/// under libpq's names. The host is the one that the snapshot belongs to, even if the setting names several.
fn environment(url: &Url) -> Result<Vec<(&'static str, String)>, BackupError> {
    let mut variables = Vec::new();
    let database = url.path().trim_start_matches('/');
    if !database.is_empty() {
        let database = percent_decode_str(database).decode_utf8();
        let database = database.map_err(|_| BackupError::Url("it has a name that is no text"))?;
        variables.push(("PGDATABASE", database.into_owned()));
    }
    for (name, value) in url.query_pairs() {
        let known = PARAMETERS.iter().find(|(parameter, _)| *parameter == name);
        if let Some((_, variable)) = known {
            variables.push((*variable, value.into_owned()));
        }
    }
    let has = |wanted: &str, value: Option<&str>| {
        variables
            .iter()
            .any(|(name, it)| *name == wanted && value.is_none_or(|value| it == value))
    };
    // Where the service uses the system's certificate authorities, the tools would look for their own root
    // certificate file.
    if has("PGSSLMODE", Some("verify-full")) && !has("PGSSLROOTCERT", None) {
        variables.push(("PGSSLROOTCERT", "system".to_owned()));
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use identity_adapters_postgres::PostgresUrl;

    use super::{environment, shown, with_owner};

    fn variables_of(url: &str, server: usize) -> Vec<(&'static str, String)> {
        let servers = PostgresUrl::parse(url).unwrap();
        environment(&servers.servers()[server]).unwrap()
    }

    #[test]
    fn the_tools_get_the_connection_that_the_service_has() {
        let url = "postgres://au%40th:p%2Fw%26d@[::1]:5433/my%20db?sslmode=verify-full";
        let variables = variables_of(url, 0);
        let of = |name: &str| {
            let found = variables.iter().find(|(it, _)| *it == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(of("PGHOST"), Some("::1"));
        assert_eq!(of("PGPORT"), Some("5433"));
        assert_eq!(of("PGUSER"), Some("au@th"));
        assert_eq!(of("PGPASSWORD"), Some("p/w&d"));
        assert_eq!(of("PGDATABASE"), Some("my db"));
        assert_eq!(of("PGSSLMODE"), Some("verify-full"));
        assert_eq!(of("PGSSLROOTCERT"), Some("system"));
        assert_eq!(variables.len(), 7);
    }

    #[test]
    fn the_tools_get_one_of_several_servers_and_every_spelling_of_a_parameter() {
        let url = "postgres://auth@a:1,b:2/d?target_session_attrs=read-write&ssl-mode=verify-ca\
                   &ssl-ca=/ca&ssl-cert=/cert&ssl-key=/key&options=-csearch_path%3Dauth";
        let mut variables = variables_of(url, 1);
        variables.sort_unstable();
        let expected = [
            ("PGDATABASE", "d"),
            ("PGHOST", "b"),
            ("PGOPTIONS", "-csearch_path=auth"),
            ("PGPORT", "2"),
            ("PGSSLCERT", "/cert"),
            ("PGSSLKEY", "/key"),
            ("PGSSLMODE", "verify-ca"),
            ("PGSSLROOTCERT", "/ca"),
            ("PGUSER", "auth"),
        ];
        assert_eq!(
            variables,
            expected.map(|(name, value)| (name, value.to_owned()))
        );
    }

    #[test]
    fn whoever_may_not_restore_is_told_who_may() {
        for refused in [
            "ERROR:  permission denied for schema public",
            "ERROR:  must be owner of table accounts",
        ] {
            let told = with_owner(refused.to_owned());
            assert!(
                told.starts_with(refused) && told.contains("as the role that owns the schema"),
                "{told}"
            );
        }
        let other = "ERROR:  out of shared memory";
        assert_eq!(with_owner(other.to_owned()), other);
    }

    #[test]
    fn rows_that_a_tool_quotes_are_not_repeated() {
        let said = "psql:<stdin>:9: ERROR:  duplicate key\nDETAIL:  Key (x)=(ada@example.com)\n\
                    CONTEXT:  COPY accounts, line 1: \"ada\"\n";
        assert_eq!(shown(said), "psql:<stdin>:9: ERROR:  duplicate key");
        assert_eq!(shown("\n"), "it did not say why");
    }
}
