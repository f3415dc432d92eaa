//! An extension's own page in its sandboxed frame: `/admin/open/{install id}`.

use super::show::{chrome, page};
use crate::app::App;
use crate::web::error::ApiError;
use crate::web::extract::{Answer, Path, SignedIn};
use crate::web::request_id::RequestId;
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use semver::Version;
use std::sync::Arc;

use super::{Chrome, FailurePage};
use crate::model::{AssetPath, ContentHash, ExtensionName, InstallId};

/// What a path segment must not have as itself. The colon of a content hash is
/// escaped too: hosts of extension pages write it so.
const SEGMENT: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b':').add(b'?').add(b'[').add(b']');

/// A thin bar and the frame; `static/bridge.js` relays the frame's calls.
#[derive(Debug, Template)]
#[template(path = "pages/open.html")]
pub struct OpenPage {
    pub chrome: Chrome,
    pub name: ExtensionName,
    /// The manifest's display name.
    pub title: Option<String>,
    pub version: Version,
    pub install: InstallId,
    /// What the frame is told to be, and the segment after `/api/ext-proxy/`.
    pub extension_id: String,
    /// Made by [`FrameAddress::url`].
    pub frame_src: String,
}

/// Where an extension's page is.
#[derive(Clone, Copy, Debug)]
pub struct FrameAddress<'a> {
    /// The origin (and prefix) of extension pages, without a slash at the end.
    pub base: &'a str,
    pub name: &'a ExtensionName,
    pub content_hash: ContentHash,
    /// The manifest's `ui.entry`.
    pub entry: &'a AssetPath,
    pub extension_id: &'a str,
    /// The origin of the page with the frame.
    pub parent_origin: &'a str,
    /// The place inside the extension's page, `/` at first.
    pub path: &'a str,
}

impl FrameAddress<'_> {
    /// The frame's `src`, with the query that extension pages read.
    pub fn url(&self) -> String {
        let segment = |text: &str| utf8_percent_encode(text, SEGMENT).to_string();
        let query = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        format!(
            "{base}/ext-ui/{name}/{hash}/{entry}?path={path}&extensionId={id}&parentOrigin={origin}",
            base = self.base,
            name = self.name,
            hash = segment(&self.content_hash.to_string()),
            entry = segment(self.entry.as_str()),
            path = query(self.path),
            id = query(self.extension_id),
            origin = query(self.parent_origin),
        )
    }
}

/// `/admin/open/{id}`: the extension's page in its frame.
pub(in crate::web) async fn show_open(
    State(app): State<Arc<App>>,
    Path(id): Path<InstallId>,
    who: SignedIn,
    request: RequestId,
) -> Answer {
    let row = app.get_install(&who.principal, id)?;
    let (install, manifest) = (&row.install, &row.version.manifest);
    let Some(ui) = &manifest.ui else {
        return Err(ApiError::not_found(format!("{} has no page", install.name)));
    };
    if !install.enabled {
        let error = ApiError::not_found(format!("{} is disabled", install.name))
            .hint("enable it on its page first");
        let chrome = chrome(&app, &who, "extensions");
        let way = Some((format!("/admin/extensions/{}", install.name), "To its page"));
        let shown = FailurePage { way, ..FailurePage::new(&error, "", request.as_str(), chrome) };
        return Ok((StatusCode::NOT_FOUND, page(&shown)?).into_response());
    }
    let (base, parent_origin) = (app.ext_ui_origin(), app.public_origin());
    let extension_id = install.id.to_string();
    let address = FrameAddress {
        base,
        name: &install.name,
        content_hash: install.content_hash,
        entry: &ui.entry,
        extension_id: &extension_id,
        parent_origin,
        path: "/",
    };
    page(&OpenPage {
        chrome: chrome(&app, &who, ""),
        name: install.name.clone(),
        title: manifest.display_name.clone(),
        version: install.version.clone(),
        install: install.id,
        frame_src: address.url(),
        extension_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_survives_names_with_special_characters() {
        let name = "com.example.hello".parse().unwrap();
        let entry = "pages/a b[1].html".parse().unwrap();
        let address = FrameAddress {
            base: "http://127.0.0.1:7421",
            name: &name,
            content_hash: ContentHash::from([0; 32]),
            entry: &entry,
            extension_id: "a&b",
            parent_origin: "http://127.0.0.1:7420",
            path: "/?x=1#y",
        };

        let url = url::Url::parse(&address.url()).unwrap();

        let zeros = "0".repeat(64);
        let path = format!("/ext-ui/com.example.hello/sha256%3A{zeros}/pages/a%20b%5B1%5D.html");
        assert_eq!(url.path(), path);
        let pairs: Vec<_> = url.query_pairs().map(|(_, value)| value.into_owned()).collect();
        assert_eq!(pairs, ["/?x=1#y", "a&b", "http://127.0.0.1:7420"]);
    }
}
