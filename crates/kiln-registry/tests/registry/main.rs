//! Against a real registry, and against servers that lie, break off and lead astray.

#![allow(clippy::unwrap_used, missing_docs)]

mod auth;
mod evil;
mod mirrors;
mod mock;
mod real;
mod resume;
mod server;
mod tls;

use std::io::Read;
use std::time::Duration;

use kiln_oci::manifest::Descriptor;
use kiln_oci::{Digest, Reference};
use kiln_registry::{Access, Client, CredentialStore, Repository, RetryPolicy, Settings};

/// Settings that don't wait long.
fn quick() -> Settings {
    let mut settings = Settings::default();
    settings.retry = RetryPolicy {
        tries: 4,
        first: Duration::from_millis(10),
        longest: Duration::from_millis(50),
        total: Duration::from_secs(10),
    };
    settings
}

fn client() -> Client {
    Client::new(quick(), CredentialStore::none())
}

fn open(client: &Client, host: &str, name: &str, access: Access) -> Repository {
    let reference = Reference::parse(&format!("{host}/{name}")).unwrap();
    client.repository(&reference, access)
}

/// Bytes that no compression and no luck makes equal.
fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        out.extend_from_slice(&next().to_le_bytes());
    }
    out.truncate(len);
    out
}

fn descriptor(content: &[u8]) -> Descriptor {
    Descriptor::new(
        "application/octet-stream",
        Digest::of(content),
        content.len() as u64,
    )
}

/// Reads a blob to its end; the error as text.
fn pull(repository: &Repository, descriptor: &Descriptor) -> Result<Vec<u8>, String> {
    let mut blob = repository.blob(descriptor).map_err(|e| e.to_string())?;
    let mut out = Vec::new();
    match blob.read_to_end(&mut out) {
        Ok(_) => Ok(out),
        Err(e) => {
            assert!(out.len() as u64 <= descriptor.size);
            assert!(blob.read(&mut [0; 8]).is_err(), "an error is no end");
            Err(e.to_string())
        }
    }
}

fn push(repository: &Repository, content: &[u8]) -> Descriptor {
    let descriptor = descriptor(content);
    repository
        .upload(
            &descriptor.digest,
            descriptor.size,
            &mut &content[..],
            &|_| {},
        )
        .unwrap();
    descriptor
}

#[test]
fn everything_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<Client>();
    shared::<Repository>();
    shared::<kiln_registry::RegistryError>();
    sent::<kiln_registry::Blob>();
}
