//! Bodies both ways, between what waits and what blocks.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use hyper::body::{Bytes, Frame};
use kiln_runtime::Cancel;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::error::ApiError;
use crate::state::{App, Running};

/// How many pieces may be under way.
const PIECES: usize = 16;
/// How large a piece of a tar is.
const PIECE: usize = 128 * 1024;
/// What a client may still send after what it sent was understood: padding of a tar.
const REST: u64 = 16 << 20;

/// What goes from the blocking thread to the response.
enum Item {
    Bytes(Bytes),
    /// It failed; at the beginning this decides the status.
    Failed(ApiError),
}

/// The response's body: what comes out of the channel.
struct Outgoing {
    first: Option<Bytes>,
    items: mpsc::Receiver<Item>,
    /// Cancels the work when the client goes away.
    _running: Running,
}

impl hyper::body::Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        self.items.poll_recv(cx).map(|item| {
            Some(match item? {
                Item::Bytes(bytes) => Ok(Frame::data(bytes)),
                Item::Failed(e) => Err(io::Error::other(e.message)),
            })
        })
    }
}

/// Runs work that writes its answer, and answers when it has begun to.
async fn answer(
    app: &App,
    content_type: &'static str,
    work: impl FnOnce(mpsc::Sender<Item>, Cancel) + Send + 'static,
) -> Result<Response, ApiError> {
    let running = app.running();
    let cancel = running.cancel();
    let (sender, mut items) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || work(sender, cancel));
    let first = match items.recv().await {
        Some(Item::Failed(e)) => return Err(e),
        Some(Item::Bytes(bytes)) => Some(bytes),
        None => None,
    };
    let body = Outgoing {
        first,
        items,
        _running: running,
    };
    Ok(([(CONTENT_TYPE, content_type)], Body::new(body)).into_response())
}

/// Where messages go, one JSON object a line.
#[derive(Clone)]
pub struct Lines {
    sender: mpsc::Sender<Item>,
    begun: Arc<AtomicBool>,
    cancel: Cancel,
}

impl Lines {
    /// Sends a message; nobody there to read it cancels the work.
    pub fn send(&self, value: &Value) {
        self.begun.store(true, Ordering::Relaxed);
        let bytes = Bytes::from(format!("{value}\r\n"));
        if self.sender.blocking_send(Item::Bytes(bytes)).is_err() {
            self.cancel.cancel();
        }
    }

    /// Whether nobody reads any more.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// A text.
    pub fn text(&self, text: &str) {
        self.send(&json!({ "stream": text }));
    }
}

/// An error that goes where messages go, with a code where docker gives one.
pub struct Failure {
    /// What is answered if nothing was sent yet.
    pub error: ApiError,
    /// The exit code of a command.
    pub code: Option<i32>,
    /// Part of the stream in any case.
    pub in_stream: bool,
}

impl<E: Into<ApiError>> From<E> for Failure {
    fn from(e: E) -> Failure {
        Failure {
            error: e.into(),
            code: None,
            in_stream: false,
        }
    }
}

/// Answers with messages.
pub async fn lines(
    app: &App,
    work: impl FnOnce(&Lines, &Cancel) -> Result<(), Failure> + Send + 'static,
) -> Result<Response, ApiError> {
    answer(app, "application/json", move |sender, cancel| {
        let out = Lines {
            sender,
            begun: Arc::default(),
            cancel: cancel.clone(),
        };
        let Err(failure) = work(&out, &cancel) else {
            return;
        };
        if out.begun.load(Ordering::Relaxed) || failure.in_stream {
            let message = &failure.error.message;
            let mut detail = json!({ "message": message });
            if let Some(code) = failure.code {
                detail["code"] = code.into();
            }
            out.send(&json!({ "errorDetail": detail, "error": message }));
        } else {
            // Where nobody waits any more there is nobody to tell.
            let _ = out.sender.blocking_send(Item::Failed(failure.error));
        }
    })
    .await
}

/// Answers with what is written.
pub async fn tar(
    app: &App,
    write: impl FnOnce(&mut dyn Write) -> Result<(), ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    answer(app, "application/x-tar", move |sender, _| {
        let mut sink = io::BufWriter::with_capacity(PIECE, Sink(sender.clone()));
        let written = write(&mut sink).and_then(|()| {
            let flushed = sink.flush();
            flushed.map_err(|e| ApiError::internal(e.to_string()))
        });
        if let Err(e) = written {
            let _ = sender.blocking_send(Item::Failed(e));
        }
    })
    .await
}

struct Sink(mpsc::Sender<Item>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let item = Item::Bytes(Bytes::copy_from_slice(bytes));
        let sent = self.0.blocking_send(item);
        sent.map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Answers with messages that come from elsewhere; `send` gives false when the client is gone.
pub fn feed(app: &App) -> (Feed, Response) {
    let (sender, items) = mpsc::channel(PIECES);
    let body = Outgoing {
        first: None,
        items,
        _running: app.running(),
    };
    let response = ([(CONTENT_TYPE, "application/json")], Body::new(body)).into_response();
    (Feed(sender), response)
}

/// Where a task that doesn't block puts its messages.
pub struct Feed(mpsc::Sender<Item>);

impl Feed {
    /// Sends a message; false when the client is gone.
    pub async fn send(&self, value: &Value) -> bool {
        let bytes = Bytes::from(format!("{value}\n"));
        self.0.send(Item::Bytes(bytes)).await.is_ok()
    }

    /// Waits until the client is gone.
    pub async fn gone(&self) {
        self.0.closed().await;
    }
}

/// A request's body, for a thread that blocks.
pub struct Incoming {
    body: Body,
    runtime: Handle,
    piece: Bytes,
}

impl Incoming {
    /// To be called where the runtime is.
    pub fn new(body: Body) -> Incoming {
        Incoming {
            body,
            runtime: Handle::current(),
            piece: Bytes::new(),
        }
    }

    /// Reads what is left, so that the client hears the answer.
    pub fn drain(mut self) {
        let _ = io::copy(&mut self.by_ref().take(REST), &mut io::sink());
    }
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.runtime.block_on(self.body.frame()) {
                None => return Ok(0),
                Some(Err(e)) => return Err(io::Error::other(e)),
                Some(Ok(frame)) => self.piece = frame.into_data().unwrap_or_default(),
            }
        }
        let n = buffer.len().min(self.piece.len());
        buffer[..n].copy_from_slice(&self.piece.split_to(n));
        Ok(n)
    }
}

/// Answers with bytes as they come.
pub fn raw(app: &App, content_type: &'static str, mut from: mpsc::Receiver<Bytes>) -> Response {
    let (sender, items) = mpsc::channel(PIECES);
    tokio::spawn(async move {
        while let Some(bytes) = from.recv().await {
            if sender.send(Item::Bytes(bytes)).await.is_err() {
                return;
            }
        }
    });
    let body = Outgoing {
        first: None,
        items,
        _running: app.running(),
    };
    ([(CONTENT_TYPE, content_type)], Body::new(body)).into_response()
}

/// Answers at once; what is to be said comes later.
pub fn lines_at_once(app: &App, work: impl FnOnce(&Lines) + Send + 'static) -> Response {
    let running = app.running();
    let (sender, items) = mpsc::channel(PIECES);
    let out = Lines {
        sender,
        begun: Arc::default(),
        cancel: running.cancel(),
    };
    std::thread::spawn(move || work(&out));
    let body = Outgoing {
        first: None,
        items,
        _running: running,
    };
    ([(CONTENT_TYPE, "application/json")], Body::new(body)).into_response()
}

/// Runs what blocks and answers at its end.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|e| Err(ApiError::internal(e.to_string())))
}
