// SPDX-License-Identifier: GPL-2.0

//! `ctsync documents`: the man pages and the completions, made of the command line itself.

use std::fs::{create_dir_all, write};
use std::path::Path;

use clap::CommandFactory;
use clap_complete::{generate_to, Shell};
use clap_mangen::Man;

use crate::cli::Cli;
use crate::error::{Error, Outcome, HEALTHY};

/// Runs the command: writes the pages into `man` and the completions into `completions` of a
/// folder.
pub fn run(folder: &Path) -> Outcome {
    let failed = |error: std::io::Error| Error::new(format!("{}: {error}", folder.display()));
    let (pages, completions) = (folder.join("man"), folder.join("completions"));
    create_dir_all(&pages)
        .and_then(|()| create_dir_all(&completions))
        .map_err(failed)?;
    let mut command = Cli::command();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut command, "ctsync", &completions).map_err(failed)?;
    }
    command.build();
    page(&command, "ctsync", &pages).map_err(failed)?;
    for subcommand in command
        .get_subcommands()
        .filter(|one| !one.is_hide_set() && one.get_name() != "help")
    {
        let name = format!("ctsync-{}", subcommand.get_name());
        page(subcommand, &name, &pages).map_err(failed)?;
    }
    Ok(HEALTHY)
}

/// Writes the page of a command.
fn page(command: &clap::Command, name: &str, folder: &Path) -> std::io::Result<()> {
    let mut bytes = b".\\\" SPDX-License-Identifier: GPL-2.0\n".to_vec();
    Man::new(command.clone())
        .title(name.to_uppercase())
        .section("8")
        .source("ct_sync")
        .render(&mut bytes)?;
    write(folder.join(format!("{name}.8")), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_a_page() {
        let folder = std::env::temp_dir().join(format!("ctsync-documents-{}", std::process::id()));
        run(&folder).unwrap();
        let page = std::fs::read_to_string(folder.join("man/ctsync.8")).unwrap();
        assert!(
            page.contains("Exit status") && page.contains("upgrade\\-ready"),
            "{page}"
        );
        assert!(
            folder.join("man/ctsync-set.8").exists()
                && folder.join("completions/ctsync.bash").exists()
        );
        std::fs::remove_dir_all(folder).unwrap();
    }
}
