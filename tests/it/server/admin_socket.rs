//! The Unix socket in the data folder.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixListener as StdUnixListener},
    path::{Path, PathBuf},
};

use plugboard::web::server::{admin_socket_path, bind};
use tempfile::TempDir;
use tokio::net::UnixStream;

use super::running::{Client, Running, config};

fn data_dir() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = admin_socket_path(folder.path());
    (folder, path)
}

async fn refusal(path: &Path) -> String {
    let bound = bind(&config()).await.unwrap();
    bound.with_admin_socket(path).err().unwrap().to_string()
}

#[tokio::test]
async fn the_owner_of_the_data_is_served_and_known() {
    let (folder, path) = data_dir();
    let server = Running::start_with_admin_socket(config(), &path).await;

    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut client = Client::new(UnixStream::connect(&path).await.unwrap());
    let own = rustix::process::geteuid().as_raw();
    assert!(client.get("/peer").await.ends_with(&format!("Unix {{ uid: {own} }}")));

    drop(client);
    server.stop().await;
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something was left behind");
}

#[tokio::test]
async fn the_socket_of_a_server_that_is_gone_is_replaced() {
    let (_folder, path) = data_dir();
    drop(StdUnixListener::bind(&path).unwrap());
    assert!(path.exists());

    let _server = Running::start_with_admin_socket(config(), &path).await;

    let mut client = Client::new(UnixStream::connect(&path).await.unwrap());
    assert!(client.get("/").await.ends_with("hello"));
}

#[tokio::test]
async fn a_server_that_answers_and_a_file_in_the_way_are_left_alone() {
    let (_folder, path) = data_dir();
    let _server = Running::start_with_admin_socket(config(), &path).await;
    assert!(refusal(&path).await.starts_with("another server answers at "));
    assert!(UnixStream::connect(&path).await.is_ok());

    let (_folder, path) = data_dir();
    fs::write(&path, "mine").unwrap();
    assert!(refusal(&path).await.ends_with("is in the way: it is not a socket"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
}
