//! Blobs down: streamed, checked, gone on with when the connection breaks.

use std::io::{self, Read};
use std::sync::Arc;

use kiln_oci::manifest::Descriptor;
use kiln_oci::{Digest, Hasher};
use ureq::BodyReader;
use ureq::http::Method;
use ureq::http::header::RANGE;

use crate::endpoint::Endpoint;
use crate::exchange::{Answer, Ask};
use crate::manifests::check_header_digest;
use crate::outgoing::Payload;
use crate::retry::Attempts;
use crate::{RegistryError, Repository};

/// Bytes after which earlier failures are forgotten: who gets on may break off again.
const PROGRESS: u64 = 1 << 20;

/// A blob while it is read: gives no more bytes than its descriptor says, and an error instead of
/// the end if they aren't what its digest says. Use nothing of it before the end is reached.
///
/// When the connection breaks or ends too early, it asks the registry for the rest.
pub struct Blob {
    repository: Repository,
    descriptor: Descriptor,
    what: String,
    hasher: Hasher,
    /// The bytes that were given.
    at: u64,
    state: State,
    /// Who is speaking, and has spoken.
    endpoint: Arc<Endpoint>,
    mirrors: Vec<Arc<Endpoint>>,
    attempts: Attempts,
    /// Where the last failure was.
    failed_at: u64,
    /// The registry gives parts.
    ranges: bool,
}

enum State {
    Open(BodyReader<'static>),
    Closed,
    Done,
    /// Once failed it stays so: an end after an error would be taken for the blob's.
    Failed,
}

impl Repository {
    /// Fetches a blob (distribution spec, end-2). The first answer is here when this returns.
    pub fn blob(&self, descriptor: &Descriptor) -> Result<Blob, RegistryError> {
        let what = format!("pulling {} of {}", descriptor.digest, self.name());
        let mut blob = Blob {
            repository: self.clone(),
            descriptor: descriptor.clone(),
            what,
            hasher: Hasher::new(),
            at: 0,
            state: State::Closed,
            endpoint: self.inner.registry.clone(),
            mirrors: Vec::new(),
            attempts: Attempts::new(self.policy().clone()),
            failed_at: 0,
            ranges: true,
        };
        blob.open()?;
        Ok(blob)
    }

    /// The size of a blob, if the registry has it (distribution spec, end-2 with HEAD). Mirrors
    /// are not asked.
    pub fn has_blob(&self, digest: &Digest) -> Result<Option<u64>, RegistryError> {
        let what = format!("looking for {digest} in {}", self.name());
        let endpoint = &self.inner.registry;
        let scopes = self.scopes(endpoint);
        let found = self.policy().run(|| {
            let root = endpoint.root(&self.inner.shared.transport, &what)?;
            let url = self.url(endpoint, &root, &format!("blobs/{digest}"));
            let ask = Ask::new(&what, Method::HEAD, &url, &scopes);
            let answer = self.inner.shared.ask(endpoint, &ask, &mut Payload::None)?;
            let answer = answer.expect(&what, endpoint, &[200])?;
            check_header_digest(&what, &answer, digest, false)?;
            let size = answer.header("content-length").and_then(|n| n.parse().ok());
            size.ok_or_else(|| answer.invalid(&what, "it has no Content-Length"))
        });
        match found {
            Ok(size) => Ok(Some(size)),
            Err(e) if e.not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }
}

impl Blob {
    /// The descriptor it was asked for by.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Connects and gets to where reading stopped.
    fn open(&mut self) -> Result<(), RegistryError> {
        loop {
            match self.connect() {
                Ok(body) => {
                    self.state = State::Open(body);
                    return Ok(());
                }
                Err(e) => self.attempts.failed(e)?,
            }
        }
    }

    fn connect(&mut self) -> Result<BodyReader<'static>, RegistryError> {
        let repository = self.repository.clone();
        let this = &*self;
        let ask = |e: &Arc<Endpoint>| Ok((e.clone(), this.ask(e)?));
        let answer = if this.at == 0 {
            // How often it is tried is counted by the caller.
            repository.pull(&this.what, |endpoint, _| ask(endpoint))
        } else {
            // A mirror that broke off once is relied on only where there is nobody else.
            let mirrors = repository.inner.mirrors.iter();
            let mut mirrors = mirrors.filter(|m| !m.is_left_out());
            ask(&repository.inner.registry).or_else(|e| mirrors.find_map(|m| ask(m).ok()).ok_or(e))
        };
        let (endpoint, answer) = answer?;
        if endpoint.mirror {
            self.mirrors.push(endpoint.clone());
        }
        self.endpoint = endpoint;
        let skip = if answer.status() == 200 { self.at } else { 0 };
        let host = answer.host();
        let mut body = answer.response.into_body().into_reader();
        // Without ranges, what was read comes once more.
        let skipped = io::copy(&mut (&mut body).take(skip), &mut io::sink());
        match skipped {
            Ok(n) if n == skip => Ok(body),
            Ok(n) => Err(self.broken(&host, format!("it ended after {n} bytes"))),
            Err(e) => Err(self.broken(&host, e.to_string())),
        }
    }

    /// Asks for the blob, or the rest of it, and checks what is said about it.
    fn ask(&self, endpoint: &Arc<Endpoint>) -> Result<Answer, RegistryError> {
        let (what, size) = (&self.what, self.descriptor.size);
        let repository = &self.repository;
        let shared = &repository.inner.shared;
        let root = endpoint.root(&shared.transport, what)?;
        let digest = self.descriptor.digest;
        let url = repository.url(endpoint, &root, &format!("blobs/{digest}"));
        let scopes = repository.scopes(endpoint);
        let get = |range: Option<u64>| {
            let mut ask = Ask::new(what, Method::GET, &url, &scopes);
            if let Some(at) = range {
                ask = ask.header(RANGE, format!("bytes={at}-{}", size - 1));
            }
            shared.ask(endpoint, &ask, &mut Payload::None)
        };
        let rest = (self.ranges && 0 < self.at && self.at < size).then_some(self.at);
        let mut answer = get(rest)?;
        if rest.is_some() && answer.status() == 416 {
            answer = get(None)?;
        }
        let answer = answer.expect(what, endpoint, &[200, 206])?;
        let length = answer.response.body().content_length();
        if answer.status() == 206 {
            let range = answer.header("content-range").unwrap_or_default();
            let good = rest.is_some_and(|at| is_range(range, at, size));
            if !good {
                let why = format!("its Content-Range {range:?} isn't what was asked for");
                return Err(answer.invalid(what, why));
            }
        } else if let Some(n) = length.filter(|n| *n != size) {
            return Err(self.size(endpoint, &answer.host(), n.to_string()));
        }
        Ok(answer)
    }

    /// Takes note of a failure in the middle; nothing where it can be gone on.
    fn broke(&mut self, why: String) -> Result<(), RegistryError> {
        self.state = State::Closed;
        if self.at - self.failed_at >= PROGRESS {
            self.attempts.progressed();
        }
        self.failed_at = self.at;
        let error = self.broken(&self.endpoint.name, why);
        self.attempts.failed(error)
    }

    /// Compares with the digest at the end.
    fn finish(&mut self) -> Result<(), RegistryError> {
        self.state = State::Done;
        let found = std::mem::take(&mut self.hasher).finish();
        if found == self.descriptor.digest {
            return Ok(());
        }
        // Whoever of them it was: the next try is without.
        self.mirrors.iter().for_each(|m| m.leave_out());
        Err(RegistryError::Digest {
            what: self.what.clone(),
            host: self.endpoint.name.clone(),
            expected: Box::new(self.descriptor.digest),
            found: Box::new(found),
            mirror: !self.mirrors.is_empty(),
        })
    }

    fn size(&self, endpoint: &Endpoint, host: &str, found: String) -> RegistryError {
        if endpoint.mirror {
            endpoint.leave_out();
        }
        RegistryError::Size {
            what: self.what.clone(),
            host: host.to_owned(),
            expected: self.descriptor.size,
            found,
            mirror: endpoint.mirror,
        }
    }

    fn broken(&self, host: &str, why: String) -> RegistryError {
        RegistryError::Broken {
            what: self.what.clone(),
            host: host.to_owned(),
            why: format!("{why} (at byte {} of {})", self.at, self.descriptor.size),
        }
    }

    fn read_on(&mut self, buf: &mut [u8]) -> Result<usize, RegistryError> {
        let mut one = [0];
        loop {
            let left = self.descriptor.size - self.at;
            let body = match &mut self.state {
                State::Done => return Ok(0),
                State::Failed => {
                    return Err(RegistryError::Source {
                        what: self.what.clone(),
                        source: io::Error::other("it failed before"),
                    });
                }
                State::Closed if left == 0 => return self.finish().map(|()| 0),
                State::Closed => {
                    self.open()?;
                    continue;
                }
                State::Open(body) => body,
            };
            // At the end, one byte more would be too much. Its absence also tells the HTTP client
            // that the connection can be used again.
            let most = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let into = if left == 0 {
                &mut one[..]
            } else {
                &mut buf[..most]
            };
            match body.read(into) {
                Ok(n) if left == 0 && n > 0 => {
                    let (endpoint, more) = (self.endpoint.clone(), self.descriptor.size);
                    return Err(self.size(&endpoint, &endpoint.name, format!("more than {more}")));
                }
                Ok(0) | Err(_) if left == 0 => return self.finish().map(|()| 0),
                Ok(0) => self.broke("it ended too early".to_owned())?,
                Ok(n) => {
                    // Writing to a hasher doesn't fail.
                    let _ = io::Write::write_all(&mut self.hasher, &buf[..n]);
                    self.at += n as u64;
                    return Ok(n);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => self.broke(e.to_string())?,
            }
        }
    }
}

impl Read for Blob {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        self.read_on(buf).map_err(|e| {
            self.state = State::Failed;
            e.into_io()
        })
    }
}

/// Whether a `Content-Range` (RFC 9110, section 14.4) is from here to the end.
fn is_range(header: &str, at: u64, size: u64) -> bool {
    let parts = || {
        let (range, total) = header.strip_prefix("bytes ")?.trim().split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let total = (total != "*").then(|| total.parse::<u64>());
        Some((
            first.parse::<u64>().ok()?,
            last.parse::<u64>().ok()?,
            total.transpose().ok()?,
        ))
    };
    parts().is_some_and(|(first, last, total)| {
        first == at && last == size - 1 && total.is_none_or(|t| t == size)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert!(is_range("bytes 3-9/10", 3, 10));
        assert!(is_range("bytes 3-9/*", 3, 10));
        for bad in [
            "",
            "bytes 2-9/10",
            "bytes 3-8/10",
            "bytes 3-9/11",
            "bytes */10",
            "3-9/10",
        ] {
            assert!(!is_range(bad, 3, 10), "{bad}");
        }
    }
}
