//! `plugboard token`: API tokens for pipelines and scripts.

mod handing_over;

use std::path::PathBuf;

use clap::Subcommand;
use http::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::handing_over::{Place, revoke_again};
use super::Context;
use super::client::Client;
use super::failure::{Exit, Failure};
use super::installs::outcome;
use super::output::{Output, table, time};
use super::remote::{Offline, RemoteArgs};
use crate::model::{ClaimedUser, Scope, TenantId, TokenId};

/// Creates, lists and revokes API tokens
#[derive(Debug, clap::Args)]
#[command(long_about = "Creates, lists and revokes API tokens.

Examples:
  plugboard token create --name ci --scope bundle:publish \\
    --scope install:write --scope install:read > token
  plugboard token list
  plugboard token revoke abcd2345")]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Creates a token and prints it, this once
    #[command(
        long_about = "Creates a token and prints it on standard output, this once: the appliance keeps \
only its hash.

Scopes: bundle:publish, install:write, install:read, ext:invoke, trust:write, token:write, \
audit:read and metrics:read, each for every extension or, as install:write:com.example.*, for some.

Examples:
  plugboard token create --name ci --scope bundle:publish \\
    --scope install:write --scope install:read --out ci.token
  plugboard token create --name site --scope ext:invoke:com.example.hello --days 30
  plugboard token create --name ada --scope ext:invoke --user-id u-17 --user-name 'Ada Lovelace'"
    )]
    Create(Box<CreateArgs>),
    /// Lists tokens; their secrets are not kept
    #[command(long_about = "Lists tokens. Their secrets are not kept.

Examples:
  plugboard token list")]
    List,
    /// Revokes a token, at once
    #[command(long_about = "Revokes a token: the next request with it is refused.

Examples:
  plugboard token revoke abcd2345")]
    Revoke {
        /// The id, as `plugboard token list` shows it
        id: TokenId,
    },
}

#[derive(Debug, clap::Args)]
struct CreateArgs {
    /// What it is for
    #[arg(long)]
    name: String,
    /// What it may do; repeatable
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    scopes: Vec<Scope>,
    /// The tenant it acts in [default: the caller's]
    #[arg(long)]
    tenant: Option<TenantId>,
    /// Days until it expires [default: `auth.token_default_days`]
    #[arg(long)]
    days: Option<u32>,
    #[command(flatten)]
    user: UserArgs,
    /// Write it to a new file that only you can read, instead of printing it; - prints it
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Whom the token stands for when it calls extensions
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Whom extensions are told that it stands for")]
struct UserArgs {
    /// The id of the user
    #[arg(long, value_name = "ID")]
    user_id: Option<String>,
    /// The user's name
    #[arg(long, value_name = "NAME", requires = "user_id")]
    user_name: Option<String>,
    /// The user's e-mail address
    #[arg(long, value_name = "ADDRESS", requires = "user_id")]
    user_email: Option<String>,
    /// What kind of user it is, as internal or client
    #[arg(long, value_name = "TYPE", requires = "user_id")]
    user_type: Option<String>,
    /// The id of the client that the user belongs to
    #[arg(long, value_name = "ID", requires = "user_id")]
    client_id: Option<String>,
    /// The name of that client
    #[arg(long, value_name = "NAME", requires = "user_id")]
    client_name: Option<String>,
    /// A further field, as role=admin; repeatable
    #[arg(long = "field", value_name = "KEY=VALUE", requires = "user_id", value_parser = field)]
    fields: Vec<(String, String)>,
}

impl UserArgs {
    fn claimed(self) -> Option<ClaimedUser> {
        let text = Option::unwrap_or_default;
        Some(ClaimedUser {
            id: self.user_id?,
            name: text(self.user_name),
            email: text(self.user_email),
            kind: text(self.user_type),
            client_id: self.client_id,
            client_name: text(self.client_name),
            fields: self.fields.into_iter().collect(),
        })
    }
}

fn field(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("a field is written KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// What `GET /api/v1/tokens` answers.
#[derive(Debug, Serialize, Deserialize)]
struct Tokens {
    tokens: Vec<TokenRow>,
}

#[derive(Debug, Serialize, Deserialize)]
struct TokenRow {
    id: TokenId,
    name: String,
    tenant: TenantId,
    scopes: Vec<Scope>,
    created_at: Timestamp,
    created_by: String,
    expires_at: Timestamp,
    last_used_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<ClaimedUser>,
}

/// A new token; its secret is in no list.
#[derive(Debug, Serialize, Deserialize)]
struct CreatedToken {
    token: String,
    #[serde(flatten)]
    row: TokenRow,
}

/// Runs `plugboard token`.
pub(super) async fn run(args: TokenArgs, context: &Context) -> Result<Exit, Failure> {
    let output = context.output;
    let client = args.remote.client(context, Offline::OpenRegistry)?;
    match args.command {
        TokenCommand::Create(args) => create(&client, *args, output).await?,
        TokenCommand::List => {
            let found: Tokens = client.get("/api/v1/tokens").await?;
            output.result(&found, &show(&found.tokens))?;
        }
        TokenCommand::Revoke { id } => {
            client.call::<()>(Method::DELETE, &format!("/api/v1/tokens/{id}"), None).await?;
            output.result(&outcome("revoked", "id", &id), &format!("Revoked the token {id}"))?;
        }
    }
    Ok(Exit::Done)
}

async fn create(client: &Client, args: CreateArgs, output: Output) -> Result<(), Failure> {
    let CreateArgs { name, scopes, tenant, days, user, out } = args;
    // Where it is to go is there before the token is: nobody could be told it again.
    let place = Place::prepare(out, output).map_err(|failure| {
        let hints = failure.hint.clone().into_iter().chain(["no token was made".to_owned()]);
        failure.hint(hints.collect::<Vec<_>>().join("; "))
    })?;
    let user = user.claimed();
    let body =
        json!({ "name": name, "scopes": scopes, "tenant": tenant, "days": days, "user": user });
    let made: CreatedToken = client.call(Method::POST, "/api/v1/tokens", Some(body)).await?;
    let TokenRow { id, expires_at, .. } = &made.row;
    output.note(&format!("Created the token {id}, good until {} UTC", time(*expires_at)));
    let written = match place.hand_over(&made, output) {
        Ok(written) => written,
        Err(failure) => return Err(revoke_again(client, id, failure).await),
    };
    if let Some(file) = written {
        let mut object = serde_json::to_value(&made).expect("an answer is plain data");
        object["token"] = Value::Null;
        object["file"] = json!(file);
        let text = format!("Wrote it to {0}\nUse it:  --token-file {0}", file.display());
        output.result(&object, &text)?;
    }
    Ok(())
}

fn show(tokens: &[TokenRow]) -> String {
    if tokens.is_empty() {
        return "There is no token yet.\n\
                Create one:  plugboard token create --name ci --scope bundle:publish"
            .to_owned();
    }
    let cells = |row: &TokenRow| {
        let scopes: Vec<_> = row.scopes.iter().map(ToString::to_string).collect();
        vec![
            row.id.to_string(),
            row.name.clone(),
            row.tenant.to_string(),
            time(row.expires_at),
            row.last_used_at.map_or_else(|| "never".to_owned(), time),
            row.user.as_ref().map(|user| user.id.clone()).unwrap_or_default(),
            scopes.join(" "),
        ]
    };
    let rows: Vec<_> = tokens.iter().map(cells).collect();
    table(&["ID", "NAME", "TENANT", "EXPIRES (UTC)", "LAST USED", "USER", "SCOPES"], &rows)
}
