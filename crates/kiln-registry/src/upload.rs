//! Blobs up: a mount, one request for what is known, a stream for what is not.

use std::io::{self, Read, Write};

use kiln_oci::{Digest, Hasher, Reference};
use ureq::http::Method;
use ureq::http::header::{CONTENT_TYPE, LOCATION};

use crate::endpoint::{Endpoint, lock};
use crate::exchange::{Answer, Ask, allowed};
use crate::manifests::check_header_digest;
use crate::outgoing::{Outgoing, Payload};
use crate::url::Url;
use crate::{RegistryError, Repository};

/// What blobs are to those who carry them.
const BYTES: &str = "application/octet-stream";

impl Repository {
    /// Makes a blob of another repository of the same registry this one's, too, without moving its
    /// bytes (distribution spec, end-11). Where the registry doesn't do that it is false, and the
    /// blob is to be uploaded.
    pub fn mount(&self, digest: &Digest, from: &str) -> Result<bool, RegistryError> {
        let what = format!("mounting {digest} of {from} in {}", self.name());
        let inner = &*self.inner;
        let endpoint = &inner.registry;
        let name = format!("{}/{from}", endpoint.name);
        let from = Reference::parse(&name).map_err(|e| RegistryError::Refused {
            what: what.clone(),
            why: e.to_string(),
        })?;
        let mut scopes = self.scopes(endpoint);
        scopes.push(format!("repository:{}:pull", from.repository()));
        let mounted = self.policy().run(|| {
            let root = endpoint.root(&inner.shared.transport, &what)?;
            let url = self
                .url(endpoint, &root, "blobs/uploads/")
                .with_query("mount", &digest.to_string())
                .with_query("from", from.repository());
            let ask = Ask::new(&what, Method::POST, &url, &scopes);
            let answer = inner.shared.ask(endpoint, &ask, &mut Payload::None)?;
            let answer = answer.expect(&what, endpoint, &[201, 202])?;
            if answer.status() == 201 {
                check_header_digest(&what, &answer, digest, false)?;
                return Ok(true);
            }
            // It began an upload instead: that saves asking for one.
            let url = location(&what, &root, &answer)?;
            lock(&inner.begun).insert(*digest, url);
            Ok(false)
        });
        match mounted {
            // Who may write here need not be allowed to read there.
            Err(RegistryError::Denied { .. } | RegistryError::NotFound { .. }) => Ok(false),
            other => other,
        }
    }

    /// Uploads a blob whose digest and size are known, in one request (distribution spec, end-4a
    /// and end-6). `progress` is told the bytes that were sent so far.
    ///
    /// An error that is [`retryable`](RegistryError::retryable) wants the blob from its beginning.
    pub fn upload(
        &self,
        digest: &Digest,
        size: u64,
        body: &mut dyn Read,
        progress: &dyn Fn(u64),
    ) -> Result<(), RegistryError> {
        let what = format!("pushing {digest} to {}", self.name());
        let endpoint = &self.inner.registry;
        let begun = lock(&self.inner.begun).remove(digest);
        let url = match begun {
            Some(url) => url,
            None => self.begin(&what)?,
        };
        let url = url.with_query("digest", &digest.to_string());
        let mut payload = Payload::Stream(Outgoing::new(body, Some(size), progress));
        let answer = self.send(&what, Method::PUT, &url, &mut payload)?;
        let host = answer.host();
        match answer.expect(&what, endpoint, &[201, 204]) {
            Ok(answer) => check_header_digest(&what, &answer, digest, false),
            Err(RegistryError::NotFound { what, detail }) => Err(RegistryError::Broken {
                what,
                host,
                why: format!("the registry no longer knows the upload{detail}"),
            }),
            Err(e) => Err(e),
        }
    }

    /// Uploads a blob whose digest is known only when all of it was read (distribution spec,
    /// end-4a, end-5 and end-6, with a body of unknown length); gives its digest and size.
    pub fn upload_stream(
        &self,
        body: &mut dyn Read,
        progress: &dyn Fn(u64),
    ) -> Result<(Digest, u64), RegistryError> {
        let what = format!("pushing a blob to {}", self.name());
        let endpoint = &self.inner.registry;
        let url = self.begin(&what)?;
        let mut body = Hashing {
            body,
            hasher: Hasher::new(),
        };
        let mut payload = Payload::Stream(Outgoing::new(&mut body, None, progress));
        let answer = self.send(&what, Method::PATCH, &url, &mut payload)?;
        let answer = answer.expect(&what, endpoint, &[202, 204])?;
        let Payload::Stream(Outgoing { sent: size, .. }) = payload else {
            return Err(answer.invalid(&what, "nothing was sent"));
        };
        let digest = body.hasher.finish();
        let root = endpoint.root(&self.inner.shared.transport, &what)?;
        let url = location(&what, &root, &answer)?.with_query("digest", &digest.to_string());
        let answer = self.policy().run(|| {
            let answer = self.send(&what, Method::PUT, &url, &mut Payload::Bytes(&[]))?;
            answer.expect(&what, endpoint, &[201, 204])
        })?;
        check_header_digest(&what, &answer, &digest, false)?;
        Ok((digest, size))
    }

    /// Begins an upload.
    fn begin(&self, what: &str) -> Result<Url, RegistryError> {
        let inner = &*self.inner;
        let endpoint = &inner.registry;
        let scopes = self.scopes(endpoint);
        self.policy().run(|| {
            let root = endpoint.root(&inner.shared.transport, what)?;
            let url = self.url(endpoint, &root, "blobs/uploads/");
            let ask = Ask::new(what, Method::POST, &url, &scopes);
            let answer = inner.shared.ask(endpoint, &ask, &mut Payload::None)?;
            let answer = answer.expect(what, endpoint, &[202])?;
            location(what, &root, &answer)
        })
    }

    fn send(
        &self,
        what: &str,
        method: Method,
        url: &Url,
        payload: &mut Payload<'_>,
    ) -> Result<Answer, RegistryError> {
        let endpoint: &Endpoint = &self.inner.registry;
        let scopes = self.scopes(endpoint);
        let ask = Ask::new(what, method, url, &scopes).header(CONTENT_TYPE, BYTES);
        self.inner.shared.ask(endpoint, &ask, payload)
    }
}

/// Where an upload goes on.
fn location(what: &str, root: &Url, answer: &Answer) -> Result<Url, RegistryError> {
    let header = answer.header(LOCATION.as_str());
    let header = header.ok_or_else(|| answer.invalid(what, "it has no Location"))?;
    let refused = |why| RegistryError::Refused {
        what: what.to_owned(),
        why: format!("the registry wants the upload elsewhere: {why}"),
    };
    let url = at_home(root, answer.url.join(header).map_err(refused)?);
    allowed(root, &url).map_err(refused)?;
    Ok(url)
}

/// A registry behind a proxy that ends TLS often doesn't know that it is spoken to over https, and
/// says http of itself: https it is.
fn at_home(root: &Url, url: Url) -> Url {
    let port = url.port == 80 || url.port == root.port;
    if root.https && !url.https && url.host == root.host && port {
        return root.with_path(url.path());
    }
    url
}

/// Takes a digest of what is read.
struct Hashing<'a> {
    body: &'a mut dyn Read,
    hasher: Hasher,
}

impl Read for Hashing<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.body.read(buf)?;
        self.hasher.write_all(&buf[..n])?;
        Ok(n)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn http_of_oneself_is_https() {
        for (root, to, found) in [
            (
                "https://r.example/",
                "http://r.example/x?y",
                "https://r.example/x?y",
            ),
            (
                "https://r.example:5000/",
                "http://r.example/x",
                "https://r.example:5000/x",
            ),
            (
                "https://r.example:5000/",
                "http://r.example:5000/x",
                "https://r.example:5000/x",
            ),
            (
                "https://r.example/",
                "http://r.example:81/x",
                "http://r.example:81/x",
            ),
            (
                "https://r.example/",
                "http://o.example/x",
                "http://o.example/x",
            ),
            (
                "http://r.example/",
                "http://r.example/x",
                "http://r.example/x",
            ),
            (
                "http://r.example/",
                "https://r.example/x",
                "https://r.example/x",
            ),
        ] {
            let (root, to) = (Url::parse(root).unwrap(), Url::parse(to).unwrap());
            let url = at_home(&root, to);
            assert_eq!(url.to_uri(), found);
            let still_http = root.https && !url.https;
            assert_eq!(allowed(&root, &url).is_err(), still_http);
        }
    }
}
