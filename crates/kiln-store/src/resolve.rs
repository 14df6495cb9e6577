//! From what a user types to an image id.

use kiln_oci::{Digest, Reference};
use rusqlite::{Connection, OptionalExtension};

use crate::layers::digest;
use crate::{Result, Store, StoreError, tags};

/// The shortest id prefix that counts as one.
const SHORTEST: usize = 4;

impl Store {
    /// Finds the image that `name` means.
    ///
    /// That may be, in this order: a full id, with or without `sha256:`; a
    /// tag, where `latest` is implied; `repo@sha256:...` with the digest of
    /// the image's configuration or manifest; or an id prefix of at least
    /// four digits that fits only one image.
    pub fn resolve(&self, name: &str) -> Result<Digest> {
        let hex = name.strip_prefix("sha256:").unwrap_or(name);
        let is_hex = hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let reference = Reference::parse(name).ok();
        self.read(|conn| {
            if is_hex
                && hex.len() == 64
                && let Some(id) = one(conn, BY_ID, &format!("sha256:{hex}"))?
            {
                return Ok(id);
            }
            if let Some(reference) = &reference {
                let found = match reference.digest() {
                    Some(digest) => match one(conn, BY_DIGEST, &digest.to_string())? {
                        Some(id) => Some(id),
                        None => one(conn, BY_REPO_DIGEST, &reference.canonical())?,
                    },
                    None => one(conn, BY_TAG, &tags::key(reference))?,
                };
                if let Some(id) = found {
                    return Ok(id);
                }
            }
            if is_hex && (SHORTEST..64).contains(&hex.len()) {
                let mut candidates = by_prefix(conn, hex)?;
                if candidates.len() > 1 {
                    return Err(StoreError::Ambiguous {
                        name: name.to_owned(),
                        candidates,
                    });
                }
                if let Some(id) = candidates.pop() {
                    return Ok(id);
                }
            }
            Err(StoreError::NotFound {
                name: complete(name, reference),
            })
        })
    }
}

const BY_ID: &str = "SELECT id FROM images WHERE id = ?";
const BY_TAG: &str = "SELECT image FROM tags WHERE name = ?";
const BY_DIGEST: &str = "SELECT id FROM images WHERE id = ?1 OR manifest_digest = ?1
    ORDER BY id = ?1 DESC, seq DESC LIMIT 1";

const BY_REPO_DIGEST: &str = "SELECT image FROM repo_digests
    JOIN images ON id = image WHERE name = ? ORDER BY at DESC LIMIT 1";

fn one(conn: &Connection, query: &str, key: &str) -> Result<Option<Digest>> {
    let mut statement = conn.prepare_cached(query)?;
    let id: Option<String> = statement.query_row([key], |row| row.get(0)).optional()?;
    id.as_deref().map(digest).transpose()
}

fn by_prefix(conn: &Connection, hex: &str) -> Result<Vec<Digest>> {
    let mut statement =
        conn.prepare_cached("SELECT id FROM images WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id")?;
    let rows = statement.query_map([format!("sha256:{hex}")], |row| row.get(0))?;
    rows.map(|row: rusqlite::Result<String>| digest(&row?))
        .collect()
}

/// The name as it was looked up, for the message.
fn complete(name: &str, reference: Option<Reference>) -> String {
    match reference {
        Some(r) if !name.starts_with("sha256:") => r.with_default_tag().familiar(),
        _ => name.to_owned(),
    }
}
