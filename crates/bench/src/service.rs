//! Runs the release binary as a child process, on temporary stores.

use std::{
    env,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use clap::Args;

use crate::{Result, http::Connection, processes::Family, statistics::millis};

/// Timeout for the start.
const PATIENCE: Duration = Duration::from_mins(1);
/// Polling interval while the service starts.
const ASKED_EVERY: Duration = Duration::from_millis(1);

/// Which binary, on which stores.
#[derive(Args, Clone)]
pub(crate) struct Stores {
    /// The release binary of the service.
    #[arg(long)]
    pub(crate) binary: PathBuf,
    /// A PostgreSQL server whose databases are ours to make and drop; with it also --redis-url.
    #[arg(long, requires = "redis_url")]
    pub(crate) postgres_url: Option<String>,
    /// The process id of its postmaster.
    #[arg(long, requires = "postgres_url")]
    pub(crate) postgres_pid: Option<u32>,
    /// A Redis whose keys nobody else needs.
    #[arg(long)]
    pub(crate) redis_url: Option<String>,
    /// Its process id.
    #[arg(long, requires = "redis_url")]
    pub(crate) redis_pid: Option<u32>,
}

/// The settings and the folder shared by all starts of one service.
pub(crate) struct SetUp {
    binary: PathBuf,
    folder: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
    address: SocketAddr,
}

impl SetUp {
    /// Uses a new embedded database, or the stores given.
    pub(crate) fn new(binary: &Path, server_stores: Option<(&str, &str)>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = free_address()?;
        let mut variables = vec![
            ("DATA_DIR", folder.path().join("data").display().to_string()),
            ("HTTP__LISTEN", address.to_string()),
            ("MANAGEMENT__LISTEN", free_address()?.to_string()),
            ("PROTECTION__EXEMPT_NETWORKS", "127.0.0.0/8".to_owned()),
            // As in production, at the default log level.
            ("TELEMETRY__LOG_FORMAT", "json".to_owned()),
        ];
        if let Some((database, redis)) = server_stores {
            variables.push(("DATABASE__URL", database.to_owned()));
            variables.push(("REDIS__URL", redis.to_owned()));
        }
        Ok(Self {
            binary: binary.to_owned(),
            folder,
            variables,
            address,
        })
    }

    /// The path of the embedded database.
    pub(crate) fn embedded_database(&self) -> PathBuf {
        self.folder
            .path()
            .join("data")
            .join("fashionistar-auth.sqlite")
    }

    /// Starts the service and waits until it is ready.
    pub(crate) fn start(&self) -> Result<Service> {
        let log = self.folder.path().join("log");
        let output = File::create(&log)?;
        let variables = self.variables.iter();
        let begun = Instant::now();
        let child = Command::new(&self.binary)
            .env_clear()
            // The operator's settings, such as those of the allocator, apply here too.
            .envs(env::vars_os().filter(|(name, _)| !is_ours(name)))
            .envs(variables.map(|(name, value)| (format!("FASHIONISTAR_AUTH__{name}"), value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .map_err(|error| format!("{}: {error}", self.binary.display()))?;
        let mut service = Service {
            child,
            address: self.address,
            ready_after_ms: 0.0,
        };
        while !service.is_ready() {
            if service.child.try_wait()?.is_some() || begun.elapsed() > PATIENCE {
                let said = fs::read_to_string(&log).unwrap_or_default();
                return Err(format!("the service does not start:\n{said}").into());
            }
            thread_sleep(ASKED_EVERY);
        }
        service.ready_after_ms = millis(begun.elapsed());
        Ok(service)
    }
}

fn is_ours(name: &std::ffi::OsStr) -> bool {
    name.to_str()
        .is_some_and(|name| name.starts_with("FASHIONISTAR_AUTH__"))
}

/// A running service, which is stopped on drop.
pub(crate) struct Service {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) ready_after_ms: f64,
}

impl Service {
    pub(crate) fn connect(&self) -> Result<Connection> {
        Connection::open(self.address)
    }

    pub(crate) fn family(&self) -> Family {
        Family(self.child.id())
    }

    fn is_ready(&self) -> bool {
        let asked = self.connect().and_then(|mut it| it.get("/health/ready"));
        asked.is_ok_and(|answer| answer.status == 200)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already, and its data is no longer needed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is currently free.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}

/// Sleeps, on a thread that has nothing else to do.
#[expect(
    clippy::disallowed_methods,
    reason = "a load generator of plain threads has no runtime whose timer it could await"
)]
pub(crate) fn thread_sleep(duration: Duration) {
    thread::sleep(duration);
}
