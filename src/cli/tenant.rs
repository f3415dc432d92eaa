//! `plugboard tenant`: whose extensions run here.

use clap::Subcommand;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Context;
use super::client::Client;
use super::failure::{Exit, Failure};
use super::output::{Output, table, time};
use super::remote::{Offline, RemoteArgs};
use crate::model::{Tenant, TenantId};

/// Creates and lists tenants
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Creates and lists tenants. Who serves only one never needs this: it is `default`. \
Works on the host only, over the admin socket or with no server running.

Examples:
  plugboard tenant create acme
  plugboard token create --name acme-ci --tenant acme --scope install:write --scope install:read
  plugboard tenant list"
)]
pub(super) struct TenantArgs {
    #[command(subcommand)]
    command: TenantCommand,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Subcommand)]
enum TenantCommand {
    /// Creates a tenant
    #[command(long_about = "Creates a tenant. A token acts in one.

Examples:
  plugboard tenant create acme")]
    Create {
        /// Its id: letters, digits and dashes
        id: TenantId,
    },
    /// Lists the tenants
    #[command(long_about = "Lists the tenants.

Examples:
  plugboard tenant list")]
    List,
}

/// What `GET /api/v1/tenants` answers.
#[derive(Debug, Serialize, Deserialize)]
struct Tenants {
    tenants: Vec<Tenant>,
}

/// Runs `plugboard tenant`.
pub(super) async fn run(args: TenantArgs, context: &Context) -> Result<Exit, Failure> {
    let client = args.remote.client(context, Offline::OpenRegistry)?;
    let done = carry_out(&client, args.command, context.output).await;
    done.map(|()| Exit::Done).map_err(Failure::for_the_host)
}

async fn carry_out(client: &Client, command: TenantCommand, output: Output) -> Result<(), Failure> {
    match command {
        TenantCommand::Create { id } => {
            let body = json!({ "id": id });
            let made: Tenant = client.call(Method::POST, "/api/v1/tenants", Some(body)).await?;
            let text = format!(
                "Created the tenant {id}\n\
                 Make a token for it:  plugboard token create --tenant {id} --name NAME --scope SCOPE"
            );
            output.result(&made, &text)?;
        }
        TenantCommand::List => {
            let found: Tenants = client.get("/api/v1/tenants").await?;
            let cells = |row: &Tenant| vec![row.id.to_string(), time(row.created_at)];
            let rows: Vec<_> = found.tenants.iter().map(cells).collect();
            output.result(&found, &table(&["ID", "CREATED (UTC)"], &rows))?;
        }
    }
    Ok(())
}
