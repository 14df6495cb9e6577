//! What can go wrong between here and a registry. Each message says what was being done, with
//! whom, and what to do next.

use std::io;
use std::time::Duration;

use kiln_oci::Digest;
use kiln_oci::manifest::ManifestError;

/// Why something could not be had from a registry, or not be given to it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// A settings file, certificate or proxy variable that can't be used.
    #[error("{what}: {why}")]
    Settings {
        /// The file or variable.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// Docker's `config.json` or a credential helper failed.
    #[error("{what}: {why}")]
    Credentials {
        /// The file or helper.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// What the registry wants is refused, because it would give something away.
    #[error("{what}: {why}")]
    Refused {
        /// What was being done.
        what: String,
        /// What the registry wanted.
        why: String,
    },
    /// No connection came about.
    #[error(
        "{what}: can't connect to {host}: {why}; check the name, the network and the proxy variables"
    )]
    Unreachable {
        /// What was being done.
        what: String,
        /// Whom it was asked of.
        host: String,
        /// Why not.
        why: String,
    },
    /// The server's certificate isn't trusted, or it doesn't speak TLS.
    #[error("{what}: no TLS connection to {host}: {why}; {hint}")]
    Tls {
        /// What was being done.
        what: String,
        /// Whom it was asked of.
        host: String,
        /// Why not.
        why: String,
        /// What may help.
        hint: String,
    },
    /// The connection broke or stalled in the middle.
    #[error("{what}: the connection to {host} broke: {why}")]
    Broken {
        /// What was being done.
        what: String,
        /// Whom it was asked of.
        host: String,
        /// How.
        why: String,
    },
    /// The registry says no for another reason than the ones below.
    #[error("{what}: {host} answered {status}{detail}")]
    Status {
        /// What was being done.
        what: String,
        /// Whom it was asked of.
        host: String,
        /// The HTTP status.
        status: u16,
        /// What the registry says about it, with `: ` before it, and what may help.
        detail: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The registry doesn't have it.
    #[error("{what}: not found{detail}")]
    NotFound {
        /// What was being done.
        what: String,
        /// What the registry says about it, with `: ` before it.
        detail: String,
    },
    /// The registry wants a login, or another one.
    #[error("{what}: access denied{detail}; {hint}")]
    Denied {
        /// What was being done.
        what: String,
        /// What the registry says about it, with `: ` before it.
        detail: String,
        /// What may help.
        hint: String,
    },
    /// The user name or the password is wrong.
    #[error(
        "{registry} refused the user name or the password{detail}; log in again with \
         `kiln login {registry}`"
    )]
    Login {
        /// The registry.
        registry: String,
        /// What it says about it, with `: ` before it.
        detail: String,
    },
    /// What answers is no registry.
    #[error(
        "{what}: {host} answered {status} with {line:?}, which is no registry's answer; check the \
         address: it may be a web page, or a proxy that wants a login"
    )]
    NoRegistry {
        /// What was being done.
        what: String,
        /// Whom it was asked of.
        host: String,
        /// The HTTP status.
        status: u16,
        /// The first line of the answer.
        line: String,
    },
    /// An answer breaks the protocol.
    #[error("{what}: {host} sent an invalid answer: {why}")]
    Invalid {
        /// What was being done.
        what: String,
        /// Whom it was asked of.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// A manifest that can't be used.
    #[error("{what}: {source}")]
    Manifest {
        /// What was being done.
        what: String,
        /// What is wrong with it.
        source: Box<ManifestError>,
    },
    /// The content is not what its digest says.
    #[error("{what}: {host} sent content with the digest {found}, not {expected}")]
    Digest {
        /// What was being done.
        what: String,
        /// Who sent it.
        host: String,
        /// The digest it should have.
        expected: Box<Digest>,
        /// The digest it has.
        found: Box<Digest>,
        /// It came from a mirror, which is not asked again.
        mirror: bool,
    },
    /// The content has another size than said.
    #[error("{what}: {host} sent {found}, not {expected} bytes")]
    Size {
        /// What was being done.
        what: String,
        /// Who sent it.
        host: String,
        /// The bytes it should have.
        expected: u64,
        /// The bytes it has, as text: not all of them may have been read.
        found: String,
        /// It came from a mirror, which is not asked again.
        mirror: bool,
    },
    /// What is uploaded could not be read, or is not what was announced.
    #[error("{what}: reading what is sent: {source}")]
    Source {
        /// What was being done.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// Another error after several tries, or after others were asked.
    #[error("{source} ({note})")]
    Tried {
        /// The last error.
        source: Box<RegistryError>,
        /// What was tried.
        note: String,
        /// It was tried often enough.
        enough: bool,
    },
}

impl RegistryError {
    /// Whether the same may succeed when it is tried again: the connection broke, the registry is
    /// overloaded, or a mirror lied that isn't asked again.
    pub fn retryable(&self) -> bool {
        match self {
            RegistryError::Broken { .. } => true,
            RegistryError::Status { status, .. } => {
                matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
            }
            RegistryError::Digest { mirror, .. } | RegistryError::Size { mirror, .. } => *mirror,
            RegistryError::Tried { source, .. } => source.retryable(),
            _ => false,
        }
    }

    /// Whether the registry doesn't have what was asked for.
    pub fn not_found(&self) -> bool {
        match self {
            RegistryError::NotFound { .. } => true,
            RegistryError::Tried { source, .. } => source.not_found(),
            _ => false,
        }
    }

    /// When the registry wants to be asked again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            RegistryError::Status { retry_after, .. } => *retry_after,
            RegistryError::Tried { source, .. } => source.retry_after(),
            _ => None,
        }
    }

    /// The error inside one that reading a [`Blob`](crate::Blob) gave.
    pub fn of(error: &io::Error) -> Option<&RegistryError> {
        error.get_ref()?.downcast_ref()
    }

    /// The error as reading gives it.
    pub(crate) fn into_io(self) -> io::Error {
        let kind = match &self {
            RegistryError::Digest { .. } | RegistryError::Size { .. } => io::ErrorKind::InvalidData,
            RegistryError::Broken { .. } => io::ErrorKind::ConnectionAborted,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, self)
    }

    /// The same with a remark.
    pub(crate) fn noted(self, note: String, enough: bool) -> RegistryError {
        RegistryError::Tried {
            source: Box::new(self),
            note,
            enough,
        }
    }
}
