//! As much of HTTP as the servers of these tests must understand.

use std::io::{self, BufRead, Read, Write};

/// The head of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub method: String,
    /// The path with its query.
    pub path: String,
    headers: Vec<(String, String)>,
}

impl Asked {
    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        let found = all.find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, text)| text.as_str())
    }

    /// Whether this is asked, whatever the query.
    pub fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path.split('?').next() == Some(path)
    }
}

/// Reads the head of a request, also as the bytes that it came as; nothing at the end.
pub fn read_head(from: &mut impl BufRead) -> io::Result<Option<(Asked, Vec<u8>)>> {
    let mut raw = Vec::new();
    let mut lines = Vec::new();
    loop {
        let start = raw.len();
        if from.read_until(b'\n', &mut raw)? == 0 {
            return Ok(None);
        }
        match String::from_utf8_lossy(&raw[start..]).trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut first = lines.first().into_iter().flat_map(|l| l.split(' '));
    let mut word = || first.next().unwrap_or_default().to_owned();
    let asked = Asked {
        method: word(),
        path: word(),
        headers: lines
            .iter()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, text)| (name.to_owned(), text.trim().to_owned()))
            .collect(),
    };
    Ok(Some((asked, raw)))
}

/// Passes on the body of a request as it comes; what frames its chunks, too.
pub fn pass_body(asked: &Asked, from: &mut impl BufRead, to: &mut impl Write) -> io::Result<()> {
    if let Some(length) = asked.header("content-length") {
        let length = length.parse().map_err(io::Error::other)?;
        return pass(length, from, to);
    }
    if asked.header("transfer-encoding") != Some("chunked") {
        return Ok(());
    }
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        to.write_all(line.as_bytes())?;
        let size = u64::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        pass(size + 2, from, to)?;
        if size == 0 {
            return Ok(());
        }
    }
}

fn pass(length: u64, from: &mut impl BufRead, to: &mut impl Write) -> io::Result<()> {
    let passed = io::copy(&mut from.take(length), to)?;
    if passed < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    to.flush()
}
