//! Images to and from registries: the OCI distribution spec 1.1, and Docker's registry API v2
//! where registries still speak it.
//!
//! * [`Settings`]: mirrors, certificates, plain HTTP, proxies; one file.
//! * [`CredentialStore`]: Docker's `config.json` and credential helpers.
//! * [`Client`]: connections and tokens, shared by all threads.
//! * [`Repository`]: manifests, tags and blobs of one repository, both ways.
//!
//! What a registry sends is not trusted. Blobs and manifests are checked against their digests and
//! sizes, answers have limits, and a password or token goes to the origin it belongs to and nowhere
//! else, whatever a redirect, a `Location` or a challenge says.
//!
//! The crate knows nothing of stores, builds and terminals. It blocks: callers that want several
//! transfers at once use several threads.

mod auth;
mod blob;
mod body;
mod challenge;
mod client;
mod credentials;
mod endpoint;
mod error;
mod exchange;
mod guard;
mod helper;
mod manifests;
mod outgoing;
mod proxy;
mod repository;
mod retry;
mod secret;
mod settings;
mod tags;
mod tls;
mod token;
mod transport;
mod upload;
mod url;

pub use blob::Blob;
pub use client::{Access, Client};
pub use credentials::{Credential, CredentialStore};
pub use error::RegistryError;
pub use manifests::Fetched;
pub use proxy::Proxies;
pub use repository::{Repository, Target};
pub use retry::RetryPolicy;
pub use secret::Secret;
pub use settings::{RegistrySettings, Settings};
