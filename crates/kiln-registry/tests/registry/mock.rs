//! A server that answers what the test wants, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path == path
    }
}

pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Says nothing of the body's length, and gives the body again and again.
    endless: bool,
    /// Says another length.
    length: Option<usize>,
    /// Doesn't say whether the request's body is wanted.
    silent: bool,
}

pub fn reply(status: u16) -> Reply {
    Reply {
        status,
        headers: Vec::new(),
        body: Vec::new(),
        endless: false,
        length: None,
        silent: false,
    }
}

impl Reply {
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Reply {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Reply {
        self.body = body.into();
        self
    }

    pub fn json(self, value: serde_json::Value) -> Reply {
        self.with("Content-Type", "application/json")
            .body(value.to_string())
    }

    pub fn endless(mut self) -> Reply {
        self.endless = true;
        self
    }

    pub fn silent(mut self) -> Reply {
        self.silent = true;
        self
    }

    pub fn claiming(mut self, length: usize) -> Reply {
        self.length = Some(length);
        self
    }
}

pub struct Mock {
    pub port: u16,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Mock {
    /// Starts a server; `GET /v2/` is answered with 200 where the handler answers it with 404.
    pub fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Mock {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (handler, all) = (Arc::new(handler), seen.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (handler, all) = (handler.clone(), all.clone());
                thread::spawn(move || serve(stream, &*handler, &all));
            }
        });
        Mock { port, seen }
    }

    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What it was asked, without the question whether it speaks HTTP.
    pub fn seen(&self) -> Vec<Request> {
        let seen = self.seen.lock().unwrap().clone();
        seen.into_iter().filter(|r| r.path != "/v2/").collect()
    }

    pub fn all(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    pub fn count(&self, method: &str, path: &str) -> usize {
        let seen = self.all();
        seen.iter().filter(|r| r.is(method, path)).count()
    }
}

fn serve(stream: TcpStream, handler: &dyn Fn(&Request) -> Reply, seen: &Mutex<Vec<Request>>) {
    let mut input = BufReader::new(stream.try_clone().unwrap());
    let mut output = stream;
    while let Some(mut request) = read_head(&mut input) {
        if request.header("expect").is_some() {
            // Whether it wants the body depends on the headers alone.
            let reply = handler(&request);
            if reply.status >= 400 {
                seen.lock().unwrap().push(request);
                let _ = send(&mut output, reply, true);
                return;
            }
            if !reply.silent {
                output.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
            }
        }
        if read_body(&mut input, &mut request).is_none() {
            return;
        }
        let mut reply = handler(&request);
        if reply.status == 404 && request.is("GET", "/v2/") {
            reply = self::reply(200);
        }
        let head = request.method == "HEAD";
        seen.lock().unwrap().push(request);
        let close = reply.endless || reply.length.is_some();
        if send(&mut output, reply, !head).is_err() || close {
            return;
        }
    }
}

fn read_head(input: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if input.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut first = lines.first()?.split(' ').map(String::from);
    Some(Request {
        method: first.next()?,
        path: first.next()?,
        headers: lines[1..]
            .iter()
            .filter_map(|l| l.split_once(':'))
            .map(|(n, v)| (n.to_owned(), v.trim().to_owned()))
            .collect(),
        body: Vec::new(),
    })
}

fn read_body(input: &mut BufReader<TcpStream>, request: &mut Request) -> Option<()> {
    let length = |r: &Request| r.header("content-length")?.parse::<u64>().ok();
    if let Some(length) = length(request) {
        input.take(length).read_to_end(&mut request.body).ok()?;
        return (request.body.len() as u64 == length).then_some(());
    }
    if request.header("transfer-encoding") != Some("chunked") {
        return Some(());
    }
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        let size = u64::from_str_radix(line.trim(), 16).ok()?;
        input.take(size).read_to_end(&mut request.body).ok()?;
        input.read_line(&mut line).ok()?;
        if size == 0 {
            return Some(());
        }
    }
}

fn send(output: &mut TcpStream, reply: Reply, with_body: bool) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} X\r\n", reply.status);
    let own = reply.headers.iter().any(|(n, _)| n == "Content-Length");
    if !reply.endless && !own {
        let length = reply.length.unwrap_or(reply.body.len());
        head += &format!("Content-Length: {length}\r\n");
    }
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    output.write_all(format!("{head}\r\n").as_bytes())?;
    if with_body {
        output.write_all(&reply.body)?;
        if reply.endless {
            // Until nobody listens.
            loop {
                output.write_all(&reply.body)?;
            }
        }
    }
    output.flush()
}
