//! What the figures stand beside: a bare axum handler and a plain static handler.
//!
//! `peers ADDRESS FOLDER` answers `/greeting?name=` in JSON, and `/static/…` from the folder.

use axum::Router;
use axum::extract::Query;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::serve::ListenerExt;
use serde::Deserialize;
use tower_http::services::ServeDir;

#[derive(Deserialize)]
struct Asked {
    name: String,
}

async fn greet(Query(asked): Query<Asked>) -> impl IntoResponse {
    let body = format!("{{\"greeting\":\"Hello, {}\"}}", asked.name);
    ([(header::CONTENT_TYPE, "application/json")], body)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut words = std::env::args().skip(1);
    let (Some(address), Some(folder)) = (words.next(), words.next()) else {
        return Err(std::io::Error::other("usage: peers ADDRESS FOLDER"));
    };
    let router =
        Router::new().route("/greeting", get(greet)).nest_service("/static", ServeDir::new(folder));
    // As Plugboard does; without it a file's head and body wait for each other.
    let listener = tokio::net::TcpListener::bind(address).await?.tap_io(|stream| {
        stream.set_nodelay(true).ok();
    });
    axum::serve(listener, router).await
}
