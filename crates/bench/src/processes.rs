//! Processor time and memory of processes, from /proc (Linux).

use std::{fs, ops::Sub};

use crate::Result;

/// Ticks per second in `/proc/<pid>/stat`: `USER_HZ`, which is 100 on all supported Linux systems.
const TICKS: f64 = 100.0;

/// A group of processes that serve together, identified by the first of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Family(pub(crate) u32);

/// Seconds of processor time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu(pub(crate) f64);

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self(self.0 - earlier.0)
    }
}

impl Family {
    /// The processor time since the start of the process, its live children, and children that have ended.
    pub(crate) fn cpu(self) -> Result<Cpu> {
        let mut ticks = 0;
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            // The process may have ended in the meantime; its parent then accounts for its time.
            let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
                continue;
            };
            let Some(times) = Times::parse(&stat) else {
                continue;
            };
            if pid == self.0 {
                ticks += times.own + times.ended_children;
            } else if times.parent == self.0 {
                ticks += times.own;
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52 ticks")]
        Ok(Cpu(ticks as f64 / TICKS))
    }

    /// The resident memory in MiB, now and at its peak.
    pub(crate) fn memory(self) -> Result<(f64, f64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let of = |name: &str| -> Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|rest| rest.split_whitespace().next());
            Ok(kib.ok_or("no such line in /proc")?.parse::<f64>()? / 1024.0)
        };
        Ok((of("VmRSS:")?, of("VmHWM:")?))
    }
}

struct Times {
    parent: u32,
    own: u64,
    ended_children: u64,
}

impl Times {
    fn parse(stat: &str) -> Option<Self> {
        // The process name is in brackets and may contain any character.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: number(11)? + number(12)?,
            ended_children: number(13)? + number(14)?,
        })
    }
}

/// A description of the machine, for the head of a report.
pub(crate) fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown processor", |rest| {
        rest.trim_matches([' ', '\t', ':'])
    });
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("?").to_owned();
    format!(
        "{} x {model}, Linux {}, load average at the start {load}",
        cores(),
        kernel.trim()
    )
}

pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_a_strange_name_is_read() {
        let stat = "42 (a) b) S 7 42 42 0 -1 4194560 1 0 0 0 30 12 5 3 20 0 1 0 100 0 0";
        let times = Times::parse(stat).unwrap();
        assert_eq!((times.parent, times.own, times.ended_children), (7, 42, 8));
    }
}
