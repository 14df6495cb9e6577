//! A web server on the loopback interface, as small as can be.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Serves fixed files until it is dropped.
pub struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `files`, by their paths without a leading slash.
    pub fn start<N: Into<String>>(files: impl IntoIterator<Item = (N, Vec<u8>)>) -> Server {
        let files: BTreeMap<String, Vec<u8>> = files
            .into_iter()
            .map(|(n, data)| (n.into(), data))
            .collect();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            for connection in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                // A client that goes away is its own affair.
                let _ = connection.and_then(|c| answer(c, &files));
            }
        });
        Server {
            address,
            stop,
            thread: Some(thread),
        }
    }

    /// The address without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn answer(mut to: TcpStream, files: &BTreeMap<String, Vec<u8>>) -> std::io::Result<()> {
    let mut from = BufReader::new(to.try_clone()?);
    let mut request = String::new();
    from.read_line(&mut request)?;
    let mut header = String::new();
    while from.read_line(&mut header)? > 2 {
        header.clear();
    }
    let mut words = request.split_whitespace();
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or("/"));
    let path = path.split('?').next().unwrap_or("").trim_start_matches('/');
    let (status, body) = match files.get(path) {
        Some(body) => ("200 OK", body.as_slice()),
        None => ("404 Not Found", b"nothing here\n".as_slice()),
    };
    write!(
        to,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\
         Last-Modified: Sun, 13 Sep 2020 12:26:40 GMT\r\n\r\n",
        body.len()
    )?;
    if method != "HEAD" {
        to.write_all(body)?;
    }
    to.flush()
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for the next connection.
        let _ = TcpStream::connect(self.address);
        if let Some(t) = self.thread.take() {
            let _ = t.join();
        }
    }
}
