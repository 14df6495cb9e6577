//! Connections that become streams of a process's input and output.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONNECTION, CONTENT_TYPE, UPGRADE};
use axum::http::{HeaderValue, Response, StatusCode};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use kiln_runtime::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::state::App;
use crate::stream;

const PIECES: usize = 16;
const RAW: &str = "application/vnd.docker.raw-stream";

/// The client's end, for threads that block.
pub struct Ends {
    /// What the client sends; ends with its input.
    pub input: mpsc::Receiver<Bytes>,
    /// Where output goes.
    pub output: Output,
}

/// Where output goes.
#[derive(Clone)]
pub struct Output {
    sender: mpsc::Sender<Bytes>,
    /// A terminal has no two streams, and no frames.
    tty: bool,
}

impl Output {
    /// Output over a channel.
    pub fn new(sender: mpsc::Sender<Bytes>, tty: bool) -> Output {
        Output { sender, tty }
    }

    /// Sends a piece; false when nobody is there any more.
    pub fn send(&self, from: Stream, bytes: &[u8]) -> bool {
        let piece = match self.tty {
            true => Bytes::copy_from_slice(bytes),
            false => framed(from, bytes),
        };
        self.sender.blocking_send(piece).is_ok()
    }

    /// Whether nobody is there any more.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

/// Docker's frame: the stream, three zeros, the length, the bytes.
fn framed(from: Stream, bytes: &[u8]) -> Bytes {
    let number = match from {
        Stream::Stdout => 1,
        Stream::Stderr => 2,
    };
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(bytes.len() + 8);
    out.extend_from_slice(&[number, 0, 0, 0]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
    out.into()
}

/// Answers, and hands the ends to `serve` in a thread of its own. A client that asks for no upgrade
/// gets the output as a body.
pub fn hijack(
    app: &App,
    mut request: Request,
    tty: bool,
    serve: impl FnOnce(Ends) + Send + 'static,
) -> Response<Body> {
    let (sender, mut outgoing) = mpsc::channel::<Bytes>(PIECES);
    let (incoming, input) = mpsc::channel::<Bytes>(PIECES);
    let ends = Ends {
        input,
        output: Output { sender, tty },
    };
    let upgrade = request.headers().contains_key(UPGRADE);
    let on = upgrade.then(|| hyper::upgrade::on(&mut request));
    std::thread::spawn(move || serve(ends));
    let Some(on) = on else {
        return stream::raw(app, RAW, outgoing);
    };
    tokio::spawn(async move {
        let Ok(upgraded) = on.await else {
            return;
        };
        let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded));
        tokio::spawn(async move {
            let mut buffer = vec![0; 16 * 1024];
            while let Ok(n) = read.read(&mut buffer).await {
                let piece = Bytes::copy_from_slice(&buffer[..n]);
                if n == 0 || incoming.send(piece).await.is_err() {
                    return;
                }
            }
        });
        while let Some(piece) = outgoing.recv().await {
            if write.write_all(&piece).await.is_err() {
                return;
            }
        }
        let _ = write.shutdown().await;
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("tcp"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(RAW));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames() {
        assert_eq!(
            &framed(Stream::Stdout, b"ab")[..],
            b"\x01\0\0\0\0\0\0\x02ab"
        );
        assert_eq!(&framed(Stream::Stderr, b"")[..], b"\x02\0\0\0\0\0\0\0");
    }
}
