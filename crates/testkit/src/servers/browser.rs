//! A browser driver for one test: W3C `WebDriver` over HTTP on loopback.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::{net::TcpStream, time::sleep};

use super::{free_port, told_by_the_script};

/// A running driver. The browsers that it started end with it.
#[derive(Debug)]
pub struct BrowserDriver {
    process: Child,
    port: u16,
}

impl BrowserDriver {
    /// Starts one and waits until it listens.
    ///
    /// # Panics
    /// When `TEST_BROWSER_DRIVER` is not set, or it ends before it listens.
    pub async fn start() -> Self {
        let program = told_by_the_script("TEST_BROWSER_DRIVER");
        let port = free_port();
        let mut process = Command::new(program)
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the driver starts");
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            let ended = process.try_wait().expect("a process of ours");
            assert!(ended.is_none(), "the driver ended: {ended:?}");
            sleep(Duration::from_millis(20)).await;
        }
        Self { process, port }
    }

    /// The URL at which it listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for BrowserDriver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
