//! The digests under which registries know images.

use kiln_oci::{Digest, Reference};

use rusqlite::params;

use crate::db::next_seq;
use crate::{Result, Store, StoreError, tags};

impl Store {
    /// Remembers that a repository has an image under a digest: `name` has no
    /// tag.
    pub fn repo_digest_put(&self, name: &Reference, id: &Digest) -> Result<()> {
        if name.digest().is_none() || name.tag().is_some() {
            return Err(StoreError::InvalidTag(name.familiar()));
        }
        self.write(|tx| {
            let at = next_seq(tx)?;
            tx.prepare_cached("INSERT OR REPLACE INTO repo_digests VALUES (?, ?, ?)")?
                .execute(params![name.canonical(), id.to_string(), at])?;
            Ok(())
        })
    }

    /// The repositories and digests of an image, in order.
    pub fn repo_digests_of(&self, id: &Digest) -> Result<Vec<Reference>> {
        self.read(|conn| {
            let mut statement =
                conn.prepare_cached("SELECT name FROM repo_digests WHERE image = ? ORDER BY name")?;
            let rows = statement.query_map([id.to_string()], |row| row.get(0))?;
            rows.map(|row: rusqlite::Result<String>| tags::reference(&row?))
                .collect()
        })
    }
}
