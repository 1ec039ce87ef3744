//! The binary `fashionistar-auth`.

use std::process::ExitCode;

use clap::Parser as _;
use server::commands::{self, Cli};

/// Returns memory to the system after a burst of sign-ins, which the system's allocator does not.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    commands::run(Cli::parse())
}
