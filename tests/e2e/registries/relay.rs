//! A TCP proxy on loopback before a server on a Unix socket: it sees what is asked, before it is
//! answered, and cuts connections when it is told to.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::http::{Asked, pass_body, read_head};

/// After how many bytes a connection is cut.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    Never,
    /// Bytes of the client's.
    Up(u64),
    /// Bytes of the server's.
    Down(u64),
}

/// The first byte of a connection that speaks TLS.
const HANDSHAKE: u8 = 0x16;

/// The proxy; it ends with the value.
pub struct Relay {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    target: PathBuf,
    seen: Mutex<Vec<Asked>>,
    cuts: AtomicUsize,
    down: AtomicU64,
    ended: AtomicBool,
}

impl Relay {
    /// A proxy that is told by the number of a connection, from 0, when to cut it.
    pub fn start(target: &Path, cut: impl Fn(usize) -> Cut + Send + 'static) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            target: target.to_owned(),
            seen: Mutex::default(),
            cuts: AtomicUsize::new(0),
            down: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let shared = state.clone();
        std::thread::spawn(move || {
            for (n, client) in listener.incoming().flatten().enumerate() {
                if shared.ended.load(Ordering::SeqCst) {
                    return;
                }
                let (state, cut) = (shared.clone(), cut(n));
                std::thread::spawn(move || drop(connect(&state, client, cut)));
            }
        });
        Relay { address, state }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// All that was asked so far.
    pub fn seen(&self) -> Vec<Asked> {
        self.state.seen.lock().unwrap().clone()
    }

    /// Begins to count anew.
    pub fn forget(&self) {
        self.state.seen.lock().unwrap().clear();
    }

    /// How many bytes the server has sent so far.
    pub fn down(&self) -> u64 {
        self.state.down.load(Ordering::SeqCst)
    }

    /// How many connections were cut.
    pub fn cuts(&self) -> usize {
        self.state.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for the next connection.
        let _ = TcpStream::connect(self.address);
    }
}

/// Carries one connection until either side ends it.
fn connect(state: &Arc<State>, client: TcpStream, cut: Cut) -> io::Result<()> {
    let server = UnixStream::connect(&state.target)?;
    let (up, down) = match cut {
        Cut::Never => (u64::MAX, u64::MAX),
        Cut::Up(n) => (n, u64::MAX),
        Cut::Down(n) => (u64::MAX, n),
    };
    let (mut answers, mut to_client) = (server.try_clone()?, client.try_clone()?);
    let shared = state.clone();
    let back = std::thread::spawn(move || {
        let mut piece = vec![0; 64 << 10];
        let mut out = Limited {
            inner: &to_client,
            left: down,
            state: &shared,
        };
        while let Ok(n @ 1..) = answers.read(&mut piece) {
            shared.down.fetch_add(n as u64, Ordering::SeqCst);
            if out.write_all(&piece[..n]).is_err() {
                break;
            }
        }
        let _ = answers.shutdown(Shutdown::Both);
        let _ = to_client.flush();
        let _ = to_client.shutdown(Shutdown::Both);
    });
    let out = Limited {
        inner: &server,
        left: up,
        state,
    };
    if requests(state, &client, out).is_err() {
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
    } else {
        // What was asked last may still be answered.
        let _ = server.shutdown(Shutdown::Write);
    }
    let _ = back.join();
    Ok(())
}

fn requests(state: &State, client: &TcpStream, mut out: impl Write) -> io::Result<()> {
    let mut from = BufReader::with_capacity(64 << 10, client);
    // Also where the registry doesn't: that is how many clients find out.
    if from.fill_buf()?.first() == Some(&HANDSHAKE) {
        return io::copy(&mut from, &mut out).map(drop);
    }
    while let Some((asked, raw)) = read_head(&mut from)? {
        state.seen.lock().unwrap().push(asked.clone());
        out.write_all(&raw)?;
        pass_body(&asked, &mut from, &mut out)?;
    }
    Ok(())
}

/// Writes so many bytes and no more.
struct Limited<'a, W> {
    inner: W,
    left: u64,
    state: &'a State,
}

impl<W: Write> Write for Limited<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        if most == 0 {
            self.state.cuts.fetch_add(1, Ordering::SeqCst);
            return Err(io::Error::other("cut"));
        }
        let n = self.inner.write(&bytes[..bytes.len().min(most)])?;
        self.left -= n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
