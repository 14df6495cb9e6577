//! Connections, and the end of the server.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{HeaderValue, Request, Response, header};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use kiln_runtime::Mode;
use kiln_store::Store;
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tower_service::Service;
use tracing::{debug, info, warn};

use crate::error::ApiError;
use crate::listen::{Address, open};
use crate::routes::routes;
use crate::state::App;
use crate::version::{self, NEWEST};

/// How many connections there may be.
const CONNECTIONS: usize = 512;
/// How large a request's head may be: build arguments are in it.
const MAX_HEAD: usize = 1 << 20;
/// How long a request's head may take.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// How long clients are waited for that are in the middle of an answer.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long cancelled work may take to clear up.
const LAST: Duration = Duration::from_secs(10);

/// How to serve.
pub struct Settings {
    /// Where.
    pub address: Address,
    /// A group whose members may connect, too.
    pub group: Option<String>,
    /// The version of Kiln, for clients.
    pub version: String,
    /// With which rights containers are made.
    pub mode: Mode,
}

/// Why there is no server, or no more.
#[derive(Debug)]
pub enum ServeError {
    /// No socket there.
    Socket {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What the service manager handed over is of no use.
    Handed(io::Error),
    /// No such group.
    Group(String),
    /// No threads, no signals.
    Runtime(io::Error),
}

impl std::fmt::Display for ServeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ServeError::Socket { path, source } => {
                write!(f, "listening on {}: {source}", path.display())
            }
            ServeError::Handed(e) => write!(f, "the socket handed over in LISTEN_FDS: {e}"),
            ServeError::Group(name) => write!(f, "--group {name}: no such group"),
            ServeError::Runtime(e) => write!(f, "starting: {e}"),
        }
    }
}

impl std::error::Error for ServeError {}

/// Serves until a signal ends it. `enter` must have been called, and there be no other thread.
pub fn serve(store: Store, settings: Settings) -> Result<(), ServeError> {
    let socket = open(&settings.address, settings.group.as_deref())?;
    let listener = socket.listener.try_clone().map_err(ServeError::Runtime)?;
    listener
        .set_nonblocking(true)
        .map_err(ServeError::Runtime)?;
    let app = App::new(store, settings.version, settings.mode);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    let done = runtime.block_on(run(app.clone(), listener));
    // Whatever still runs has been cancelled; it gets some time to clear up.
    runtime.shutdown_timeout(LAST);
    drop(socket);
    done.map_err(ServeError::Runtime)
}

async fn run(app: App, listener: std::os::unix::net::UnixListener) -> io::Result<()> {
    let listener = UnixListener::from_std(listener)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let router = routes(app.clone());
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let (ending, ended) = watch::channel(false);
    info!(address = ?listener.local_addr(), "listening");
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let Ok(slot) = slots.clone().try_acquire_owned() else {
                    warn!("too many connections: one was refused");
                    continue;
                };
                let (router, ended) = (router.clone(), ended.clone());
                tokio::spawn(async move {
                    let _slot = slot;
                    connection(stream, router, ended).await;
                });
            }
            Err(e) => {
                warn!("accepting a connection: {e}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    info!("ending");
    app.cancel_all();
    let _ = ending.send(true);
    drop(listener);
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(FAREWELL, slots.acquire_many(all)).await;
    Ok(())
}

/// Who is at the other end.
#[derive(Clone, Copy)]
struct Peer {
    uid: u32,
    pid: i32,
}

async fn connection(stream: UnixStream, router: Router, mut ended: watch::Receiver<bool>) {
    let peer = match stream.peer_cred() {
        Ok(c) => Peer {
            uid: c.uid(),
            pid: c.pid().unwrap_or(0),
        },
        Err(e) => return warn!("a connection from nobody: {e}"),
    };
    let service = service_fn(move |request| answer(router.clone(), peer, request));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(served);
    let result = tokio::select! {
        result = served.as_mut() => result,
        () = until(&mut ended) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(e) = result {
        debug!(pid = peer.pid, "a connection ended: {e}");
    }
}

/// Waits for the end of the server.
async fn until(ended: &mut watch::Receiver<bool>) {
    let _ = ended.wait_for(|e| *e).await;
}

/// Takes the version off the path and leads to the route; logs no query, for it may have secrets.
async fn answer(
    mut router: Router,
    peer: Peer,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let began = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = match redirect(&mut request) {
        Ok(()) => router.call(request.map(Body::new)).await?,
        Err(e) => e.into_response(),
    };
    let headers = response.headers_mut();
    let version = HeaderValue::try_from(NEWEST.to_string());
    if let Ok(version) = version {
        headers.insert("api-version", version);
    }
    headers.insert("docker-experimental", HeaderValue::from_static("false"));
    headers.insert("ostype", HeaderValue::from_static("linux"));
    headers.insert(header::SERVER, HeaderValue::from_static("Kiln (linux)"));
    info!(
        uid = peer.uid,
        pid = peer.pid,
        status = response.status().as_u16(),
        ms = began.elapsed().as_millis(),
        "{method} {path}"
    );
    Ok(response)
}

fn redirect(request: &mut Request<Incoming>) -> Result<(), ApiError> {
    let (version, path) = version::split(request.uri().path())?;
    let target = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let bad = |e: axum::http::uri::InvalidUri| ApiError::invalid(e.to_string());
    let target: PathAndQuery = target.parse().map_err(bad)?;
    *request.uri_mut() = Uri::from(target);
    request.extensions_mut().insert(version);
    Ok(())
}
