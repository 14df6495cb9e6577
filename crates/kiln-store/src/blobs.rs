//! What is known of compressed layers in registries, so that nothing is
//! compressed or uploaded twice.

use kiln_oci::Digest;
use rusqlite::params;

use crate::layers::digest;
use crate::{Result, Store};

/// A layer as a registry has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// The digest of its compressed bytes.
    pub digest: Digest,
    /// How many those are.
    pub size: u64,
    /// Its media type, which tells the compression.
    pub media_type: String,
}

impl Store {
    /// Remembers that compressing `layer` gives `blob`.
    pub fn blob_put(&self, layer: &Digest, blob: &Blob) -> Result<()> {
        self.write(|tx| {
            let row = params![
                layer.to_string(),
                blob.digest.to_string(),
                blob.size,
                blob.media_type
            ];
            tx.prepare_cached("INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?)")?
                .execute(row)?;
            Ok(())
        })
    }

    /// The blobs that `layer` is known to be.
    pub fn blobs_of(&self, layer: &Digest) -> Result<Vec<Blob>> {
        self.read(|conn| {
            let mut statement = conn.prepare_cached(
                "SELECT digest, size, media_type FROM blobs WHERE layer = ? ORDER BY digest",
            )?;
            let rows = statement.query_map([layer.to_string()], |row| {
                Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?))
            })?;
            rows.map(|row| {
                let (id, size, media_type) = row?;
                Ok(Blob {
                    digest: digest(&id)?,
                    size,
                    media_type,
                })
            })
            .collect()
        })
    }

    /// Remembers that a repository has a blob.
    pub fn blob_home_put(&self, blob: &Digest, registry: &str, repository: &str) -> Result<()> {
        self.write(|tx| {
            let row = params![blob.to_string(), registry, repository];
            tx.prepare_cached("INSERT OR IGNORE INTO blob_homes VALUES (?, ?, ?)")?
                .execute(row)?;
            Ok(())
        })
    }

    /// Repositories of a registry that are known to have a blob.
    pub fn blob_homes(&self, blob: &Digest, registry: &str) -> Result<Vec<String>> {
        self.read(|conn| {
            let mut statement = conn.prepare_cached(
                "SELECT repository FROM blob_homes WHERE digest = ? AND registry = ?",
            )?;
            let rows = statement.query_map([&blob.to_string(), registry], |row| row.get(0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }
}
