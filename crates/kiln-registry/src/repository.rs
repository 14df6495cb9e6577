//! One repository: who is asked for it, and in which order. What is asked is in
//! [`manifests`](crate::manifests), [`tags`](crate::tags), [`blob`](crate::blob) and
//! [`upload`](crate::upload).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use kiln_oci::{Digest, Reference};

use crate::endpoint::Endpoint;
use crate::exchange::Shared;
use crate::url::Url;
use crate::{Access, RegistryError, RetryPolicy};

/// A repository of a registry. Cheap to clone; usable from several threads at once.
#[derive(Clone)]
pub struct Repository {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) registry: Arc<Endpoint>,
    pub(crate) mirrors: Vec<Arc<Endpoint>>,
    /// `library/busybox`.
    pub(crate) path: String,
    /// `docker.io/library/busybox`.
    name: String,
    target: Target,
    access: Access,
    /// Uploads that a mount began instead, to be gone on with.
    pub(crate) begun: Mutex<HashMap<Digest, Url>>,
}

/// Which manifest of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// The one that a tag stands for.
    Tag(String),
    /// The one with this digest.
    Digest(Digest),
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Tag(tag) => f.write_str(tag),
            Target::Digest(digest) => digest.fmt(f),
        }
    }
}

impl Repository {
    pub(crate) fn new(
        shared: Arc<Shared>,
        registry: Arc<Endpoint>,
        mirrors: Vec<Arc<Endpoint>>,
        reference: &Reference,
        access: Access,
    ) -> Repository {
        let target = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => Target::Digest(*digest),
            (None, tag) => Target::Tag(tag.unwrap_or("latest").to_owned()),
        };
        Repository {
            inner: Arc::new(Inner {
                shared,
                registry,
                mirrors,
                path: reference.repository().to_owned(),
                name: format!("{}/{}", reference.registry(), reference.repository()),
                target,
                access,
                begun: Mutex::default(),
            }),
        }
    }

    /// Its name in the long form, without tag and digest: `docker.io/library/busybox`.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// What the reference it was made from names: its digest, else its tag, else `latest`.
    pub fn target(&self) -> &Target {
        &self.inner.target
    }

    /// Asks the mirrors, then the registry itself.
    pub(crate) fn pull<T>(
        &self,
        what: &str,
        ask: impl Fn(&Arc<Endpoint>, &RetryPolicy) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let mut failed = Vec::new();
        for mirror in self.inner.mirrors.iter().filter(|m| !m.is_left_out()) {
            match ask(mirror, &RetryPolicy::once()) {
                Ok(done) => return Ok(done),
                Err(e) => {
                    self.judge(mirror, &e);
                    // The message says again what was being done.
                    let why = e.to_string();
                    let why = why.strip_prefix(&format!("{what}: ")).unwrap_or(&why);
                    failed.push(format!("mirror {}: {why}", mirror.name));
                }
            }
        }
        ask(&self.inner.registry, self.policy()).map_err(|e| match failed.is_empty() {
            true => e,
            false => e.noted(failed.join("; "), false),
        })
    }

    /// Leaves a mirror out that isn't there or lied.
    pub(crate) fn judge(&self, mirror: &Endpoint, error: &RegistryError) {
        if matches!(
            error,
            RegistryError::Unreachable { .. }
                | RegistryError::Tls { .. }
                | RegistryError::Digest { .. }
                | RegistryError::Size { .. }
        ) {
            mirror.leave_out();
        }
    }

    pub(crate) fn policy(&self) -> &RetryPolicy {
        &self.inner.shared.transport.settings.retry
    }

    /// A URL of the repository's.
    pub(crate) fn url(&self, endpoint: &Endpoint, root: &Url, rest: &str) -> Url {
        root.with_path(&format!(
            "/v2/{}{}/{rest}",
            endpoint.prefix, self.inner.path
        ))
    }

    /// What a token is needed for.
    pub(crate) fn scopes(&self, endpoint: &Endpoint) -> Vec<String> {
        let actions = match self.inner.access {
            Access::Pull => "pull",
            Access::Push => "pull,push",
        };
        vec![format!(
            "repository:{}{}:{actions}",
            endpoint.prefix, self.inner.path
        )]
    }

    pub(crate) fn shown(&self, target: &Target) -> String {
        match target {
            Target::Tag(tag) => format!("{}:{tag}", self.name()),
            Target::Digest(digest) => format!("{}@{digest}", self.name()),
        }
    }
}
