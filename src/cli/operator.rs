//! `plugboard operator`: who administers the appliance.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Subcommand;
use http::Method;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Context;
use super::ask::new_password;
use super::client::Client;
use super::failure::{Exit, Failure};
use super::installs::outcome;
use super::output::{Output, table, time};
use super::remote::{Offline, RemoteArgs};
use crate::model::OperatorName;

/// Creates and lists operators, and resets passwords
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Creates and lists operators, who sign in to the pages, and resets their passwords. \
Works on the host only, over the admin socket or with no server running.

Examples:
  plugboard operator create ada
  plugboard operator reset-password ada --password-file new-password.txt
  plugboard operator list"
)]
pub(super) struct OperatorArgs {
    #[command(subcommand)]
    command: OperatorCommand,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Subcommand)]
enum OperatorCommand {
    /// Creates an operator
    #[command(
        long_about = "Creates an operator. The password is asked for, twice; where standard input is no \
terminal, it is its first line.

Examples:
  plugboard operator create ada
  plugboard operator create ada --password-file password.txt
  pass show plugboard/ada | plugboard operator create ada"
    )]
    Create(WithPassword),
    /// Gives an operator a new password; signs them out everywhere
    #[command(long_about = "Gives an operator a new password, and signs them out everywhere.

Examples:
  plugboard operator reset-password ada
  plugboard operator reset-password ada --password-file password.txt")]
    ResetPassword(WithPassword),
    /// Lists the operators
    #[command(long_about = "Lists the operators.

Examples:
  plugboard operator list")]
    List,
}

#[derive(Debug, clap::Args)]
struct WithPassword {
    /// The sign-in name
    name: OperatorName,
    /// A file whose first line is the password; - is standard input
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// What `GET /api/v1/operators` answers.
#[derive(Debug, Serialize, Deserialize)]
struct Operators {
    operators: Vec<Operator>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Operator {
    name: OperatorName,
    created_at: Timestamp,
    password_changed_at: Timestamp,
}

/// Runs `plugboard operator`.
pub(super) async fn run(args: OperatorArgs, context: &Context) -> Result<Exit, Failure> {
    let offline = match args.command {
        // The first operator can be there before the first start.
        OperatorCommand::Create(_) => Offline::MakeAppliance,
        OperatorCommand::ResetPassword(_) | OperatorCommand::List => Offline::OpenRegistry,
    };
    let client = args.remote.client(context, offline)?;
    let done = carry_out(&client, args.command, context.output).await;
    done.map(|()| Exit::Done).map_err(Failure::for_the_host)
}

async fn carry_out(
    client: &Client,
    command: OperatorCommand,
    output: Output,
) -> Result<(), Failure> {
    match command {
        OperatorCommand::Create(WithPassword { name, password_file }) => {
            let password = new_password(output, password_file).await?;
            let body = json!({ "name": name, "password": password.expose_secret() });
            let made: Operator = client.call(Method::POST, "/api/v1/operators", Some(body)).await?;
            output.result(&made, &format!("Created the operator {name}"))?;
        }
        OperatorCommand::ResetPassword(WithPassword { name, password_file }) => {
            let known: Operators = client.get("/api/v1/operators").await?;
            if !known.operators.iter().any(|operator| operator.name == name) {
                let message = anyhow!("there is no operator {name}");
                return Err(
                    Failure::refused(message).hint("`plugboard operator list` shows their names")
                );
            }
            let password = new_password(output, password_file).await?;
            let body = json!({ "password": password.expose_secret() });
            let path = format!("/api/v1/operators/{name}/password");
            client.call::<()>(Method::PUT, &path, Some(body)).await?;
            let text = format!("{name} has a new password and is signed out everywhere");
            output.result(&outcome("password_reset", "name", &name), &text)?;
        }
        OperatorCommand::List => {
            let found: Operators = client.get("/api/v1/operators").await?;
            output.result(&found, &show(&found.operators))?;
        }
    }
    Ok(())
}

fn show(operators: &[Operator]) -> String {
    if operators.is_empty() {
        return "There is no operator yet.\nCreate one:  plugboard operator create NAME".to_owned();
    }
    let cells = |row: &Operator| {
        vec![row.name.to_string(), time(row.created_at), time(row.password_changed_at)]
    };
    let rows: Vec<_> = operators.iter().map(cells).collect();
    table(&["NAME", "CREATED (UTC)", "PASSWORD CHANGED"], &rows)
}
