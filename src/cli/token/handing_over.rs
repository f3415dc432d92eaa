//! A new token on its way to who asked for it: told this once, or revoked again.

use std::path::PathBuf;

use anyhow::Context as _;
use http::Method;

use super::CreatedToken;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::files::{Existing, NewFile, is_standard};
use crate::cli::output::Output;
use crate::model::TokenId;

/// Where a new token goes.
pub(super) enum Place {
    Output,
    File(NewFile, PathBuf),
}

impl Place {
    pub(super) fn prepare(out: Option<PathBuf>, output: Output) -> Result<Self, Failure> {
        if let Some(file) = out.filter(|file| !is_standard(file)) {
            return Ok(Self::File(NewFile::begin(&file, Existing::Keep)?, file));
        }
        if output.is_dropped() {
            let message = "standard output is closed or thrown away: nobody would have the token";
            return Err(Failure::usage(message).hint("write it to a file with --out"));
        }
        Ok(Self::Output)
    }

    /// Gives the token away, and says in which file it is.
    pub(super) fn hand_over(
        self,
        made: &CreatedToken,
        output: Output,
    ) -> Result<Option<PathBuf>, Failure> {
        match self {
            Self::Output => {
                let printed = output.only_result(made, &made.token);
                printed.context("cannot write to standard output").map_err(Failure::unfinished)?;
                Ok(None)
            }
            Self::File(begun, file) => {
                begun.write(format!("{}\n", made.token).as_bytes())?;
                begun.finish_as(0o600)?;
                Ok(Some(file))
            }
        }
    }
}

/// A token that nobody has is good for nothing, and no loss.
pub(super) async fn revoke_again(client: &Client, id: &TokenId, failure: Failure) -> Failure {
    let revoked = client.call::<()>(Method::DELETE, &format!("/api/v1/tokens/{id}"), None).await;
    failure.hint(match revoked {
        Ok(()) => format!("the token {id} was revoked again: nobody has it"),
        Err(_) => {
            format!("nobody has the token {id}, and it is good: `plugboard token revoke {id}`")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_that_cannot_be_revoked_again_is_named() {
        rustls::crypto::ring::default_provider().install_default().ok();
        // Nobody listens there.
        let client = Client::http("http://127.0.0.1:9", "plug_x".to_owned().into()).unwrap();
        let id: TokenId = "abcd2345".parse().unwrap();

        let failure = revoke_again(&client, &id, Failure::usage("it was lost")).await;

        assert_eq!(
            failure.text(),
            "it was lost\n  hint: nobody has the token abcd2345, and it is good: \
             `plugboard token revoke abcd2345`"
        );
    }
}
