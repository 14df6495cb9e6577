//! Manifests down and up.

use kiln_oci::Digest;
use kiln_oci::manifest::{Descriptor, Document, MAX_MANIFEST, media_type, parse};
use ureq::http::Method;
use ureq::http::header::{ACCEPT, CONTENT_TYPE};

use crate::body::{page, read_whole};
use crate::endpoint::Endpoint;
use crate::exchange::{Answer, Ask};
use crate::outgoing::Payload;
use crate::tags::is_tag;
use crate::{RegistryError, Repository, Target};

/// A manifest or index as it came.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Its bytes, which its digest is of.
    pub bytes: Vec<u8>,
    /// Its digest.
    pub digest: Digest,
    /// What is in it.
    pub document: Document,
}

impl Fetched {
    /// What points to it.
    pub fn descriptor(&self) -> Descriptor {
        let size = self.bytes.len() as u64;
        Descriptor::new(self.document.media_type(), self.digest, size)
    }
}

impl Repository {
    /// Fetches a manifest or index (distribution spec, end-3).
    pub fn manifest(&self, target: &Target) -> Result<Fetched, RegistryError> {
        let what = format!("pulling {}", self.shown(target));
        self.pull(&what, |endpoint, policy| {
            policy.run(|| {
                let answer = self.ask_manifest(&what, endpoint, Method::GET, target)?;
                self.check_manifest(&what, endpoint, answer, target)
            })
        })
    }

    /// Looks for a manifest without fetching it (distribution spec, end-3 with HEAD); nothing where
    /// there is none.
    pub fn head_manifest(&self, target: &Target) -> Result<Option<Descriptor>, RegistryError> {
        let what = format!("looking for {}", self.shown(target));
        let found = self.pull(&what, |endpoint, policy| {
            policy.run(|| {
                let answer = self.ask_manifest(&what, endpoint, Method::HEAD, target)?;
                head_descriptor(&what, &answer, target)
            })
        });
        match found {
            Ok(Some(found)) => Ok(Some(found)),
            // A registry that doesn't tell must show it.
            Ok(None) => self.manifest(target).map(|m| Some(m.descriptor())),
            Err(e) if e.not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Uploads a manifest or index (distribution spec, end-7) and gives its digest.
    pub fn put_manifest(
        &self,
        target: &Target,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Digest, RegistryError> {
        let what = format!("pushing {}", self.shown(target));
        let digest = Digest::of(bytes);
        let inner = &*self.inner;
        let endpoint = &inner.registry;
        if let Target::Digest(named) = target
            && *named != digest
        {
            return Err(RegistryError::Digest {
                what,
                host: "this side".to_owned(),
                expected: Box::new(*named),
                found: Box::new(digest),
                mirror: false,
            });
        }
        let scopes = self.scopes(endpoint);
        self.policy().run(|| {
            let root = endpoint.root(&inner.shared.transport, &what)?;
            let url = self.url(endpoint, &root, &path(&what, target)?);
            let ask = Ask::new(&what, Method::PUT, &url, &scopes).header(CONTENT_TYPE, media_type);
            let answer = inner
                .shared
                .ask(endpoint, &ask, &mut Payload::Bytes(bytes))?;
            let answer = answer.expect(&what, endpoint, &[200, 201, 202])?;
            check_header_digest(&what, &answer, &digest, false)
        })?;
        Ok(digest)
    }

    fn ask_manifest(
        &self,
        what: &str,
        endpoint: &Endpoint,
        method: Method,
        target: &Target,
    ) -> Result<Answer, RegistryError> {
        let shared = &self.inner.shared;
        let root = endpoint.root(&shared.transport, what)?;
        let url = self.url(endpoint, &root, &path(what, target)?);
        let scopes = self.scopes(endpoint);
        let accept = [
            media_type::OCI_INDEX,
            media_type::OCI_MANIFEST,
            media_type::DOCKER_LIST,
            media_type::DOCKER_MANIFEST,
        ];
        let ask = Ask::new(what, method, &url, &scopes).header(ACCEPT, accept.join(", "));
        let answer = shared.ask(endpoint, &ask, &mut Payload::None)?;
        answer.expect(what, endpoint, &[200])
    }

    fn check_manifest(
        &self,
        what: &str,
        endpoint: &Endpoint,
        answer: Answer,
        target: &Target,
    ) -> Result<Fetched, RegistryError> {
        let host = answer.host();
        let content_type = answer.header("content-type").map(String::from);
        if content_type
            .as_deref()
            .is_some_and(|t| t.starts_with("text/html"))
        {
            return Err(page(what, &host, answer.response));
        }
        let named = header_digest(what, &answer)?;
        let bytes = read_whole(
            what,
            &host,
            answer.response.into_body(),
            MAX_MANIFEST as u64,
        )?;
        let digest = Digest::of(&bytes);
        let asked = match target {
            Target::Digest(digest) => Some(*digest),
            Target::Tag(_) => None,
        };
        for expected in [asked, named].into_iter().flatten() {
            if expected != digest {
                return Err(RegistryError::Digest {
                    what: what.to_owned(),
                    host,
                    expected: Box::new(expected),
                    found: Box::new(digest),
                    mirror: endpoint.mirror,
                });
            }
        }
        match parse(&bytes, content_type.as_deref()) {
            Ok(document) => Ok(Fetched {
                bytes,
                digest,
                document,
            }),
            Err(source) => Err(RegistryError::Manifest {
                what: what.to_owned(),
                source: Box::new(source),
            }),
        }
    }
}

/// Where a manifest is in its repository.
fn path(what: &str, target: &Target) -> Result<String, RegistryError> {
    match target {
        Target::Tag(tag) if !is_tag(tag) => Err(RegistryError::Refused {
            what: what.to_owned(),
            why: format!("{tag:?} is no tag"),
        }),
        target => Ok(format!("manifests/{target}")),
    }
}

/// The descriptor that the headers of a HEAD make; nothing where they don't tell enough.
fn head_descriptor(
    what: &str,
    answer: &Answer,
    target: &Target,
) -> Result<Option<Descriptor>, RegistryError> {
    let named = header_digest(what, answer)?;
    let size = answer.header("content-length").and_then(|n| n.parse().ok());
    let media_type = answer.header("content-type");
    let (Some(digest), Some(size), Some(media_type)) = (named, size, media_type) else {
        return Ok(None);
    };
    if let Target::Digest(asked) = target {
        check_header_digest(what, answer, asked, false)?;
    }
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    Ok(Some(Descriptor::new(media_type, digest, size)))
}

/// `Docker-Content-Digest`. One of another algorithm tells nothing that could be checked.
fn header_digest(what: &str, answer: &Answer) -> Result<Option<Digest>, RegistryError> {
    match answer.header("docker-content-digest") {
        Some(text) if text.starts_with("sha256:") => text
            .parse()
            .map(Some)
            .map_err(|_| answer.invalid(what, "its Docker-Content-Digest is no digest")),
        _ => Ok(None),
    }
}

/// Checks what the registry says it stored or has.
pub(crate) fn check_header_digest(
    what: &str,
    answer: &Answer,
    expected: &Digest,
    mirror: bool,
) -> Result<(), RegistryError> {
    match header_digest(what, answer)? {
        Some(found) if found != *expected => Err(RegistryError::Digest {
            what: what.to_owned(),
            host: answer.host(),
            expected: Box::new(*expected),
            found: Box::new(found),
            mirror,
        }),
        _ => Ok(()),
    }
}
