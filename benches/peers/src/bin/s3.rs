//! An S3 server to measure the sender of: `s3 ADDRESS FOLDER ACCESS_KEY SECRET_KEY`.
//!
//! Signatures are checked and objects are files below the folder. It says nothing
//! about how fast a real server is, and nothing about conditional writes.

use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [address, folder, access_key, secret_key] = words.as_slice() else {
        return Err(std::io::Error::other("usage: s3 ADDRESS FOLDER ACCESS_KEY SECRET_KEY"));
    };
    let files = s3s_fs::FileSystem::new(folder)
        .map_err(|error| std::io::Error::other(format!("{folder}: {error:?}")))?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(access_key.as_str(), secret_key.as_str()));
    let service = builder.build();
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service.clone());
        tokio::spawn(connection);
    }
}
