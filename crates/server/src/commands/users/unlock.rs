//! `users unlock`: clears the failed sign-in count of an account.

use std::{
    io::{self, Write as _},
    path::Path,
};

use common::Id;

use super::Unlock;
use crate::{
    commands::Failure,
    config::{Config, Variables},
    wire::Unlocking,
};

pub(super) fn run(command: &Unlock, config: Option<&Path>) -> Result<(), Failure> {
    let config = Config::for_commands(config, &Variables::of_this_process())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let unlocking = Unlocking::open(&config).await.map_err(Failure::other)?;
        let account = Id::from_uuid(command.account);
        let done = unlocking.unlocks.unlock(account, &command.reason).await;
        unlocking.close().await;
        if done.map_err(Failure::other)? {
            writeln!(io::stdout(), "unlocked")?;
            Ok(())
        } else {
            Err(Failure::other("there is no such account"))
        }
    })
}
