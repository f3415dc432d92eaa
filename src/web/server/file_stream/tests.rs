//! Files among bytes on their way to a socket.

use std::io::Write;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

async fn connection() -> (FileStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (FileStream::new(listener.accept().await.unwrap().0), client)
}

fn file(bytes: &[u8]) -> Arc<PageFile> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Arc::new(file.into())
}

#[tokio::test]
async fn files_go_out_in_the_place_of_their_stand_ins() {
    let (mut stream, mut client) = connection().await;
    let (file, sender) = (file(b"0123456789"), stream.sender.clone());
    let parts = [sender.stand_in(&file, 2, 3), sender.stand_in(&file, 9, 1)];

    for bytes in [b"<".as_slice(), &parts[0], b"|", &parts[1], b">"] {
        stream.write_all(bytes).await.unwrap();
    }
    drop(stream);

    let mut received = String::new();
    client.read_to_string(&mut received).await.unwrap();
    assert_eq!(received, "<234|9>");
}

#[tokio::test]
async fn bytes_and_files_in_one_write_stay_in_order() {
    let (mut stream, mut client) = connection().await;
    let part = stream.sender.stand_in(&file(b"file"), 0, 4);
    let mut written = 0;
    let all: [&[u8]; 4] = [b"one ", b"two ", &part, b" end"];
    while written < 16 {
        let mut rest = &mut all.map(IoSlice::new)[..];
        IoSlice::advance_slices(&mut rest, written);
        written += stream.write_vectored(rest).await.unwrap();
    }
    drop(stream);

    let mut received = String::new();
    client.read_to_string(&mut received).await.unwrap();
    assert_eq!(received, "one two file end");
}

#[tokio::test]
async fn a_file_that_became_shorter_breaks_off() {
    let (mut stream, _client) = connection().await;
    let part = stream.sender.stand_in(&file(b"short"), 0, 6);

    let error = stream.write_all(&part).await.unwrap_err();

    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_stand_in_of_another_connection_is_not_sent() {
    let (mut stream, mut client) = connection().await;
    let part = connection().await.0.sender.stand_in(&file(b"file"), 0, 4);

    stream.write_all(&part).await.unwrap_err();
    drop(stream);

    assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
}
