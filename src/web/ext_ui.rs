//! `/ext-ui/{name}/{hash}/{*path}`: extension pages, immutable by their address.
//!
//! Whether a file may be served is asked of the registry on each request. The rest of
//! an answer is always the same, so it is made once: `page` writes the headers, the
//! application keeps them in memory with the bodies of small files. Large files come
//! through `file_body`. A file that compresses well is there in several forms, and
//! `accept_encoding` says which one a client gets.

mod accept_encoding;
mod file_body;
mod page;

use std::ops::Range as Part;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, Method, header};
use axum::response::Response;

use super::conditional::{Range, is_fresh, unchanged, unsatisfiable};
use super::error::ApiError;
use super::extract::Path;
use super::server::FileSender;
use crate::app::App;
use crate::app::assets::{Asset, AssetError, AssetLocation, Page, PageBody};
use crate::model::ContentCoding;
use accept_encoding::AcceptEncoding;
use file_body::FileBody;

/// A request for a file that may be served.
struct Asked<'a> {
    app: &'a App,
    asset: Asset,
    method: Method,
    headers: HeaderMap,
    sender: Option<FileSender>,
}

/// Serves one file. Cookies that came along are neither read nor logged.
pub(super) async fn show_asset(
    State(app): State<Arc<App>>,
    Path((name, hash, path)): Path<(String, String, String)>,
    sender: Option<Extension<FileSender>>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    // A worker outlives the page and would answer for it after a revocation.
    if headers.contains_key("service-worker") {
        return Err(ApiError::forbidden("extension pages may not register service workers"));
    }
    let location = parse_location(&name, &hash, path)?;
    let asset = app.find_asset(&location)?;
    let sender = sender.map(|Extension(sender)| sender);
    let asked = Asked { app: &app, asset, method, headers, sender };
    if let Some(response) = asked.answer(asked.coding()).await? {
        return Ok(response);
    }
    // The form is gone. The file itself never is.
    let response = asked.answer(ContentCoding::Identity).await?;
    response.ok_or_else(|| ApiError::internal("a page file has no form at all"))
}

fn parse_location(name: &str, hash: &str, path: String) -> Result<AssetLocation, ApiError> {
    let unknown = || ApiError::from(AssetError::NotFound);
    Ok(AssetLocation {
        name: name.parse().map_err(|_| unknown())?,
        content_hash: hash.parse().map_err(|_| unknown())?,
        path,
    })
}

impl Asked<'_> {
    /// The form that is sent.
    ///
    /// A part is one of the form that the client has the rest of, as its `If-Range` says,
    /// and of the file itself if it says nothing: parts of a form are of no use alone.
    fn coding(&self) -> ContentCoding {
        if !self.app.is_negotiable(&self.asset) {
            return ContentCoding::Identity;
        }
        let there = self.app.encoded_forms(&self.asset);
        let accepted = AcceptEncoding::of(&self.headers);
        let chosen = accepted.choose(there);
        if !self.headers.contains_key(header::RANGE) {
            return chosen;
        }
        let has_part = |coding: &ContentCoding| {
            let form = page::form_of(self.asset.entry(), &there, *coding);
            form.is_some_and(|form| {
                self.range(form.bytes, || page::etag(&form.sha256)) != Range::Whole
            })
        };
        let mut parts = [ContentCoding::Identity, chosen].into_iter().chain(ContentCoding::MADE);
        parts.find(|coding| accepted.takes(*coding) && has_part(coding)).unwrap_or(chosen)
    }

    /// The answer with one form; `None` if there is no such form any more.
    async fn answer(&self, coding: ContentCoding) -> Result<Option<Response>, ApiError> {
        let Some(page) = self.page(coding)? else { return Ok(None) };
        if is_fresh(&self.headers, &page.etag) {
            return Ok(Some(unchanged(page.unchanged.clone())));
        }
        let range = self.range(page.size, || page.etag.clone());
        let Some(part) = range.bytes(page.size) else {
            let mut response = unsatisfiable(page.size);
            if self.app.is_negotiable(&self.asset) {
                response.headers_mut().insert(header::VARY, page::VARY);
            }
            return Ok(Some(response));
        };
        let body = if self.method == Method::HEAD {
            Body::empty()
        } else if let Some(body) = self.body(coding, &page, part).await? {
            body
        } else {
            return Ok(None);
        };
        let mut response = Response::new(body);
        response.headers_mut().clone_from(&page.head);
        if range != Range::Whole {
            range.describe(&mut response, page.size);
        }
        Ok(Some(response))
    }

    /// Ranges are for GET alone (RFC 9110 section 14.2).
    fn range(&self, size: u64, etag: impl FnOnce() -> String) -> Range {
        if self.method == Method::GET { Range::of(&self.headers, etag, size) } else { Range::Whole }
    }

    /// From memory, or written anew without touching the file.
    fn page(&self, coding: ContentCoding) -> Result<Option<Arc<Page>>, ApiError> {
        let (app, asset) = (self.app, &self.asset);
        let kept = app.pages.get(asset, coding);
        if let Some(page) = kept.filter(|page| self.is_current(coding, page)) {
            return Ok(Some(page));
        }
        let page = page::write(app, asset, coding)?.map(Arc::new);
        if let Some(page) = &page {
            app.pages.keep(asset, coding, Arc::clone(page));
        }
        Ok(page)
    }

    /// Whether the head is that of the body that will be sent: a form that is not in memory can
    /// have been made anew, by another release of its library, and be other bytes.
    fn is_current(&self, coding: ContentCoding, page: &Page) -> bool {
        let is_sure = coding == ContentCoding::Identity || page.body.is_some();
        is_sure || {
            let there = self.app.encoded_forms(&self.asset);
            let form = page::form_of(self.asset.entry(), &there, coding);
            form.is_some_and(|form| page::etag(&form.sha256) == page.etag)
        }
    }

    /// `None` also if the form has become another one just now.
    async fn body(
        &self,
        coding: ContentCoding,
        page: &Arc<Page>,
        part: Part<u64>,
    ) -> Result<Option<Body>, ApiError> {
        let (app, asset) = (self.app, &self.asset);
        if let Some(body) = &page.body {
            return Ok(Some(self.part_of(body, part)));
        }
        if app.pages.keeps(page.size) {
            let bytes = app.read_asset(asset, coding).await?;
            let Some(bytes) = bytes.filter(|bytes| bytes.len() as u64 == page.size) else {
                return Ok(None);
            };
            let body = app.pages.body(bytes);
            let answer = self.part_of(&body, part);
            let page = Page { body: Some(body), ..Page::clone(page) };
            app.pages.keep(asset, coding, Arc::new(page));
            return Ok(Some(answer));
        }
        let opened = app.open_asset(asset, coding).await?;
        let opened = opened.filter(|opened| opened.size == page.size);
        Ok(opened.map(|opened| {
            Body::new(FileBody::on_disk(Arc::new(opened.file.into()), part, self.sender.clone()))
        }))
    }

    fn part_of(&self, body: &PageBody, part: Part<u64>) -> Body {
        match body {
            PageBody::Bytes(bytes) => slice(bytes, part),
            PageBody::File(file) => {
                Body::new(FileBody::in_memory(Arc::clone(file), part, self.sender.clone()))
            }
        }
    }
}

fn slice(bytes: &bytes::Bytes, part: Part<u64>) -> Body {
    let [start, end] = [part.start, part.end]
        .map(|at| usize::try_from(at).expect("what is in memory can be counted"));
    Body::from(bytes.slice(start..end))
}
