//! What every page handler needs: the frame, rendering, and the way back.

use askama::Template;
use axum::http::HeaderValue;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::{ByteSize, Chrome, Notice, Tone, UploadLimits};
use crate::app::App;
use crate::config::SigningPolicy;
use crate::web::error::ApiError;
use crate::web::extract::{Answer, SignedIn};
use crate::web::static_files;

/// What the page before this one did, as a word in its address.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::web) enum Done {
    Installed,
    Enabled,
    Disabled,
    Upgraded,
    GrantsChanged,
    Saved,
    HostsSaved,
    LearningStarted,
    LearningStopped,
    Uninstalled,
    Yanked,
    Unyanked,
    Removed,
    SecretSet,
    SecretRemoved,
}

/// The part of a page's query that carries [`Done`].
#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct DoneQuery {
    pub(in crate::web) done: Option<Done>,
}

impl Done {
    fn text(self) -> &'static str {
        match self {
            Self::Installed => "Installed. It runs once it is enabled.",
            Self::Enabled => "Enabled. It answers calls now.",
            Self::Disabled => "Disabled. It no longer answers calls.",
            Self::Upgraded => "The version is changed. Calls go to the new version now.",
            Self::GrantsChanged => "The grants are changed. The next call goes by them.",
            Self::Saved => "The settings are saved.",
            Self::HostsSaved => "The hosts are saved. The next call goes by them.",
            Self::LearningStarted => "It learns. What it calls is listed below.",
            Self::LearningStopped => "It no longer learns. The granted hosts alone count.",
            Self::Uninstalled => "Uninstalled. Its bundle stays published.",
            Self::Yanked => "Yanked. Nobody new can install it; where it is installed it goes on.",
            Self::Unyanked => "It can be installed again.",
            Self::SecretSet => "The secret is set. The next call of the extension reads it.",
            Self::SecretRemoved => "The secret is removed.",
            Self::Removed => "Removed. Its bundle is deleted after 24 hours.",
        }
    }
}

/// The frame of a page for nobody in particular: sign-in, set-up, failures.
pub(in crate::web) fn plain_chrome(app: &App) -> Chrome {
    Chrome {
        warnings: warnings(app),
        asset_version: static_files::version().to_owned(),
        ..Chrome::default()
    }
}

/// The frame of a page for a signed-in operator.
pub(super) fn chrome(app: &App, who: &SignedIn, current: &'static str) -> Chrome {
    Chrome {
        operator: Some(who.session.operator.to_string()),
        csrf_token: who.csrf_token.clone(),
        current,
        ..plain_chrome(app)
    }
}

/// The same, saying what was just done.
pub(super) fn chrome_after(
    app: &App,
    who: &SignedIn,
    current: &'static str,
    done: Option<Done>,
) -> Chrome {
    let notice = done.map(|done| Notice { tone: Tone::Good, text: done.text().to_owned() });
    Chrome { notice, ..chrome(app, who, current) }
}

fn warnings(app: &App) -> Vec<String> {
    let mut warnings = Vec::new();
    if app.config.signing.policy == SigningPolicy::AllowUnsigned {
        warnings.push(
            "Unsigned bundles are accepted (signing.policy = \"allow-unsigned\"): anyone who may \
             publish can run any code here."
                .to_owned(),
        );
    }
    if app.config.server.is_exposed_plainly() {
        warnings.push(
            "This appliance speaks plain HTTP to the network (server.insecure_http): passwords and \
             sessions can be read on the way."
                .to_owned(),
        );
    }
    warnings
}

/// Renders a page.
pub(super) fn page(template: &impl Template) -> Answer {
    let html = template.render().map_err(ApiError::internal)?;
    Ok(Html(html).into_response())
}

/// Leads to a page of ours after a form was carried out (303).
pub(super) fn lead_to(path: &str) -> Response {
    Redirect::to(path).into_response()
}

/// The same, with a new session cookie.
pub(super) fn lead_to_with(path: &str, cookie: HeaderValue) -> Response {
    let mut response = lead_to(path);
    response.headers_mut().insert(http::header::SET_COOKIE, cookie);
    response
}

/// The command that publishes to this appliance, ready to copy.
pub(super) fn publish_command(app: &App) -> String {
    format!(
        "plugboard publish my-extension/ --key my-key.key --url {} --token-file my.token \
         --install --enable",
        app.public_origin()
    )
}

/// How large a bundle and what is attached to it may be.
pub(super) fn upload_limits(app: &App) -> UploadLimits {
    let store = &app.config.store;
    UploadLimits {
        bundle: ByteSize::new(store.max_bundle_bytes),
        bundle_bytes: store.max_bundle_bytes,
        attachment: ByteSize::new(store.max_attachment_bytes),
    }
}
