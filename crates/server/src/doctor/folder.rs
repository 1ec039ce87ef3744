//! The data folder.

use std::{fs, io, os::unix::fs::PermissionsExt as _, path::Path};

use rustix::fs::{Access, access, statvfs};

use super::Finding;
use crate::config::Config;

const CHECK: &str = "data folder";
/// Below this the disk is nearly full (warning), in bytes.
const LITTLE: u64 = 1 << 30;
/// Below this writes will soon fail (failure), in bytes.
const TOO_LITTLE: u64 = 64 << 20;

pub(super) fn look(config: &Config) -> Finding {
    let path = config.data_dir.as_path();
    if config.is_production() {
        let seen = format!("production mode keeps nothing in {}", path.display());
        return Finding::ok(CHECK, seen);
    }
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let seen = format!("{} is not there; the first start makes it", path.display());
            Finding::ok(CHECK, seen)
        }
        Err(error) => Finding::fails(CHECK, format!("{}: {error}", path.display()))
            .do_this("let the service's user reach it"),
        Ok(metadata) if !metadata.is_dir() => {
            Finding::fails(CHECK, format!("{} is no folder", path.display()))
                .do_this("set data_dir to a folder")
        }
        Ok(metadata) => look_inside(path, metadata.permissions().mode()),
    }
}

fn look_inside(path: &Path, mode: u32) -> Finding {
    let shown = path.display();
    if access(path, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        return Finding::fails(CHECK, format!("{shown} cannot be written to")).do_this(format!(
            "chown it to the service's user: chown -R <user> {shown}"
        ));
    }
    let free = statvfs(path).map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    let mebibytes = free >> 20;
    if free < TOO_LITTLE {
        return Finding::fails(CHECK, format!("{shown} has {mebibytes} MiB free"))
            .do_this("make room: see docs/runbooks/disk-full.md");
    }
    if mode & 0o077 != 0 {
        return Finding::warns(
            CHECK,
            format!("{shown} is open to others (mode {:o})", mode & 0o777),
        )
        .do_this(format!("chmod 700 {shown}"));
    }
    if free < LITTLE {
        return Finding::warns(CHECK, format!("{shown} has {mebibytes} MiB free"))
            .do_this("make room before it is full");
    }
    Finding::ok(CHECK, format!("{shown}, {mebibytes} MiB free"))
}
