//! Finding the install that a name means, when something of one that is not there any more may be
//! kept, too.

use anyhow::anyhow;

use super::{Kept, KeptRow};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::installs;
use crate::cli::output::Output;

/// What is kept of the install that `name` means. Where that is nothing, and something of one
/// that was there before, people are told.
pub(super) async fn find(client: &Client, name: &str, output: Output) -> Result<KeptRow, Failure> {
    let installs = installs::all(client).await?;
    let kept: Kept = client.get("/api/v1/state").await?;
    let is_other = |row: &KeptRow| row.extension.as_str() == name && row.uninstalled_at.is_some();
    let others = kept.state.iter().any(is_other);
    let row = only_one(installs.iter().map(KeptRow::empty).collect(), kept.state, name)?;
    if row.keys == 0 && others {
        output.note(&format!(
            "{name} keeps nothing; what it kept before it was uninstalled goes by the id of that \
             install: `plugboard state list`"
        ));
    }
    Ok(row)
}

/// The row that `name` means. A name is that of the install that is there, whether it keeps
/// something or not; only where none is there, of one that was.
fn only_one(installed: Vec<KeptRow>, rows: Vec<KeptRow>, name: &str) -> Result<KeptRow, Failure> {
    let is_id = |row: &KeptRow| row.install.to_string() == name;
    let is_named = |row: &KeptRow| row.extension.as_str() == name;
    if let Some(empty) = installed.into_iter().find(|row| is_id(row) || is_named(row)) {
        let row = rows.into_iter().find(|row| row.install == empty.install);
        return Ok(row.unwrap_or(empty));
    }
    let (by_id, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_id);
    let mut found = by_id.into_iter().chain(others.into_iter().filter(is_named));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => {
            let message = anyhow!("{name} is not installed, and nothing is kept of it");
            Err(Failure::refused(message).hint("`plugboard state list` shows what is there"))
        }
        (Some(_), Some(_)) => {
            let message = format!("{name} was installed several times: name the install");
            Err(Failure::usage(message).hint("`plugboard state list` shows their ids"))
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::cli::failure::Exit;
    use crate::model::InstallId;

    fn row(extension: &str, uninstalled_at: Option<Timestamp>) -> KeptRow {
        KeptRow {
            install: InstallId::random(),
            extension: extension.parse().unwrap(),
            namespaces: 1,
            keys: 1,
            bytes: 1,
            uninstalled_at,
            removed_at: uninstalled_at,
        }
    }

    #[test]
    fn a_name_means_the_install_that_is_there_and_else_the_only_one() {
        let gone = Some(Timestamp::UNIX_EPOCH);
        let [empty, full] = ["com.example.a", "com.example.b"].map(|name| row(name, None));
        let rows = [
            row("com.example.a", gone),
            row("com.example.b", gone),
            full.clone(),
            row("com.example.c", gone),
            row("com.example.d", gone),
            row("com.example.d", gone),
        ];
        let installed = [KeptRow { keys: 0, ..empty }, KeptRow { keys: 0, ..full }];
        let found = |name: &str| {
            let row = only_one(installed.to_vec(), rows.to_vec(), name);
            row.map(|row| (row.install, row.keys)).map_err(|failure| failure.exit)
        };

        assert_eq!(found("com.example.a"), Ok((installed[0].install, 0)), "it keeps nothing");
        assert_eq!(found("com.example.b"), Ok((rows[2].install, 1)));
        assert_eq!(found(&rows[0].install.to_string()), Ok((rows[0].install, 1)));
        assert_eq!(found("com.example.c"), Ok((rows[3].install, 1)), "none is there");
        assert_eq!(found("com.example.d"), Err(Exit::Usage));
        assert_eq!(found("com.example.e"), Err(Exit::Refused));
    }
}
