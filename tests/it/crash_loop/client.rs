//! A client that knows what it was told, and goes on where it was interrupted.

use std::fs;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use plugboard::model::ContentHash;
use plugboard::trust::keys::{self, GeneratedKey};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::appliance::{Appliance, DataFolder};
use crate::support::bundle_builder::BundleBuilder;
use crate::support::test_app::sign_with;

const PASSWORD: &str = "four words nobody guesses";

/// What the appliance acknowledged.
#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each call is acknowledged or not")]
pub(super) struct Story {
    pub(super) set_up: bool,
    pub(super) trusted: bool,
    pub(super) published: bool,
    pub(super) quarantined: bool,
    pub(super) installed: bool,
    pub(super) enabled: bool,
    pub(super) published_next: bool,
    pub(super) upgraded: bool,
}

impl Story {
    pub(super) fn complete() -> Self {
        Self {
            set_up: true,
            trusted: true,
            published: true,
            quarantined: true,
            installed: true,
            enabled: true,
            published_next: true,
            upgraded: true,
        }
    }
}

/// A bundle of the client.
pub(super) struct Upload {
    pub(super) archive: Vec<u8>,
    signature: Option<Vec<u8>>,
    pub(super) hash: ContentHash,
    pub(super) page: String,
}

pub(super) struct Client {
    /// The extension that is published, installed and upgraded.
    pub(super) name: String,
    http: reqwest::Client,
    key: GeneratedKey,
    token: String,
    setup_token: Option<String>,
    /// The id that the acknowledged install answered with.
    pub(super) install: String,
    /// The id of the upload in parts that was begun.
    pub(super) upload: Option<String>,
    /// How many bytes of it were acknowledged.
    arrived: usize,
    pub(super) story: Story,
    pub(super) first: Upload,
    pub(super) next: Upload,
    pub(super) unsigned: Upload,
}

/// What went wrong with a call.
type Problem = String;

impl Client {
    pub(super) fn new() -> Self {
        Self::with_extension("com.example.crash")
    }

    /// One of several of an appliance, each with an extension of its own.
    pub(super) fn with_extension(name: &str) -> Self {
        // Another test of this process may have been first.
        rustls::crypto::ring::default_provider().install_default().ok();
        let http = reqwest::Client::builder().timeout(Duration::from_mins(1));
        let key = keys::generate().unwrap();
        Self {
            http: http.no_proxy().build().unwrap(),
            first: Upload::new(name, "1.0.0", Some(&key)),
            next: Upload::new(name, "1.1.0", Some(&key)),
            unsigned: Upload::new(&format!("{name}.unsigned"), "1.0.0", None),
            name: name.to_owned(),
            key,
            token: String::new(),
            setup_token: None,
            install: String::new(),
            upload: None,
            arrived: 0,
            story: Story::default(),
        }
    }

    /// Makes every call that was not acknowledged yet, until one breaks off.
    pub(super) async fn go_on(&mut self, appliance: &Appliance) -> Result<(), Problem> {
        if !self.story.set_up {
            self.set_up(appliance).await?;
            self.story.set_up = true;
        }
        if !self.story.trusted {
            self.trust(appliance, &self.name).await?;
            self.story.trusted = true;
        }
        if !self.story.published {
            self.publish(appliance, &self.first, &[StatusCode::CREATED, StatusCode::OK]).await?;
            self.story.published = true;
        }
        if !self.story.quarantined {
            self.publish(appliance, &self.unsigned, &[StatusCode::ACCEPTED]).await?;
            self.story.quarantined = true;
        }
        self.go_on_installing(appliance).await
    }

    async fn go_on_installing(&mut self, appliance: &Appliance) -> Result<(), Problem> {
        if !self.story.installed {
            let body = json!({"name": self.name, "version": "1.0.0"});
            let install = self.post(appliance, "/api/v1/installs", body).await?;
            install["id"].as_str().unwrap().clone_into(&mut self.install);
            self.story.installed = true;
        }
        let path = format!("/api/v1/installs/{}", self.install);
        if !self.story.enabled {
            self.post(appliance, &format!("{path}/enable"), json!({})).await?;
            self.story.enabled = true;
        }
        if !self.story.published_next {
            self.publish_in_parts(appliance).await?;
            self.story.published_next = true;
        }
        if !self.story.upgraded {
            let request = self.request(appliance, Method::PUT, &format!("{path}/version"));
            expect(request.json(&json!({"version": "1.1.0"})), &[StatusCode::OK]).await?;
            self.story.upgraded = true;
        }
        Ok(())
    }

    /// Has the client's key trusted for names like `scope`.
    pub(super) async fn trust(&self, appliance: &Appliance, scope: &str) -> Result<(), Problem> {
        let key = json!({"name": "k", "scopes": [scope], "public_key": self.key.public_pem});
        self.post(appliance, "/api/v1/trust/keys", key).await.map(|_| ())
    }

    /// Installs an extension with nothing granted, and waits until it is ready.
    pub(super) async fn install_and_enable(
        &self,
        appliance: &Appliance,
        name: &str,
    ) -> Result<(), Problem> {
        let install = self.post(appliance, "/api/v1/installs", json!({"name": name})).await?;
        let id = install["id"].as_str().unwrap();
        let enable = format!("/api/v1/installs/{id}/enable");
        self.post(appliance, &enable, json!({})).await.map(|_| ())
    }

    async fn set_up(&mut self, appliance: &Appliance) -> Result<(), Problem> {
        let Some(token) = &self.setup_token else {
            return Err("there is no setup token".to_owned());
        };
        let request = self.http.post(format!("{}/api/v1/setup", appliance.origin));
        let body = json!({"operator": "ada", "password": PASSWORD});
        let answer = expect(request.bearer_auth(token).json(&body), &[StatusCode::CREATED]).await?;
        answer["token"].as_str().unwrap().clone_into(&mut self.token);
        Ok(())
    }

    /// What a person does after a start: read the setup token, or, if set-up was
    /// done and its answer lost, make a token on the host.
    pub(super) async fn find_way_in(&mut self, appliance: &Appliance, folder: &DataFolder) {
        if self.story.set_up {
            return;
        }
        self.setup_token = read_setup_token(folder);
        if let Err(problem) = self.set_up(appliance).await {
            assert!(problem.contains("409") || problem.contains("no setup token"), "{problem}");
            self.token = folder.make_token();
        }
        self.story.set_up = true;
    }

    /// The setup token of a first start.
    pub(super) fn with_setup_token(&mut self, folder: &DataFolder) {
        self.setup_token = read_setup_token(folder);
    }

    async fn publish(
        &self,
        appliance: &Appliance,
        upload: &Upload,
        statuses: &[StatusCode],
    ) -> Result<Value, Problem> {
        expect(self.sending(appliance, upload), statuses).await
    }

    /// The request that publishes a bundle at once.
    pub(super) fn sending(&self, appliance: &Appliance, upload: &Upload) -> RequestBuilder {
        let mut request = self.request(appliance, Method::PUT, "/api/v1/bundles");
        if let Some(signature) = &upload.signature {
            request = request.header("plugboard-signature", STANDARD.encode(signature));
        }
        request.body(upload.archive.clone())
    }

    /// A bundle of another extension, signed by the key that is trusted for its name.
    pub(super) fn bundle(&self, name: &str) -> Upload {
        Upload::new(name, "1.0.0", Some(&self.key))
    }

    /// A client that was let in where `other` was.
    pub(super) fn beside(other: &Self, name: &str) -> Self {
        let mut client = Self::with_extension(name);
        client.token.clone_from(&other.token);
        client.story.set_up = true;
        client
    }

    /// Sends the next version in two parts, from where the appliance is.
    async fn publish_in_parts(&mut self, appliance: &Appliance) -> Result<(), Problem> {
        let length = self.next.archive.len();
        let tus = |method, path: &str| {
            self.request(appliance, method, path).header("tus-resumable", "1.0.0")
        };
        let id = if let Some(id) = &self.upload {
            id.clone()
        } else {
            let request = tus(Method::POST, "/api/v1/uploads").header("upload-length", length);
            let created = expect(request, &[StatusCode::CREATED]).await?;
            created["id"].as_str().unwrap().to_owned()
        };
        let path = format!("/api/v1/uploads/{id}");
        let row = expect(tus(Method::GET, &path), &[StatusCode::OK]).await?;
        let mut offset = usize::try_from(row["offset"].as_u64().unwrap()).unwrap();
        assert!(offset >= self.arrived, "{offset} of {} acknowledged bytes are left", self.arrived);
        self.upload = Some(id);
        for end in [length / 2, length] {
            if offset < end {
                let request = self
                    .request(appliance, Method::PATCH, &path)
                    .header("tus-resumable", "1.0.0")
                    .header("content-type", "application/offset+octet-stream")
                    .header("upload-offset", offset)
                    .body(self.next.archive[offset..end].to_vec());
                expect(request, &[StatusCode::NO_CONTENT]).await?;
                (offset, self.arrived) = (end, end);
            }
        }
        let request = self.request(appliance, Method::POST, &format!("{path}/publish"));
        let signature = self.next.signature.as_deref().unwrap();
        let request = request.header("plugboard-signature", STANDARD.encode(signature));
        expect(request, &[StatusCode::CREATED, StatusCode::OK]).await.map(|_| ())
    }

    async fn post(&self, appliance: &Appliance, path: &str, body: Value) -> Result<Value, Problem> {
        let request = self.request(appliance, Method::POST, path);
        expect(request.json(&body), &[StatusCode::OK, StatusCode::CREATED]).await
    }

    pub(super) async fn get(&self, appliance: &Appliance, path: &str) -> (StatusCode, Vec<u8>) {
        let response = self.request(appliance, Method::GET, path).send().await.unwrap();
        let status = response.status();
        (status, response.bytes().await.unwrap().to_vec())
    }

    fn request(&self, appliance: &Appliance, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", appliance.origin));
        request.bearer_auth(&self.token)
    }
}

async fn expect(request: RequestBuilder, statuses: &[StatusCode]) -> Result<Value, Problem> {
    let response = request.send().await.map_err(|error| error.to_string())?;
    let status = response.status();
    let text = response.text().await.map_err(|error| error.to_string())?;
    if statuses.contains(&status) {
        if text.is_empty() {
            return Ok(Value::Null);
        }
        return serde_json::from_str(&text).map_err(|error| error.to_string());
    }
    Err(format!("{status}: {text}"))
}

fn read_setup_token(folder: &DataFolder) -> Option<String> {
    let token = fs::read_to_string(folder.path("setup-token")).ok()?;
    Some(token.trim().to_owned())
}

impl Upload {
    fn new(name: &str, version: &str, key: Option<&GeneratedKey>) -> Self {
        let root = env!("CARGO_MANIFEST_DIR");
        let component = fs::read(format!("{root}/examples/hello/bundle/dist/main.wasm")).unwrap();
        let page = format!("<h1>{name} {version}</h1>");
        let archive = BundleBuilder::new(name, version)
            .manifest("runtime", "wasm-component@1".into())
            .capabilities(&["cap:context.read", "cap:log.emit", "cap:user.read"])
            .component(component)
            .endpoint("GET", "/greeting")
            .page(&page)
            .build();
        let hash = ContentHash::of(&archive);
        let signature = key.map(|key| sign_with(key, &archive));
        Self { archive, signature, hash, page }
    }
}
