//! Tags: names of images.

use kiln_oci::{Digest, Reference};
use rusqlite::{OptionalExtension, Transaction, params};

use crate::db::next_seq;
use crate::layers::digest;
use crate::{Result, Store, StoreError};

impl Store {
    /// Gives the image `id` a name, taking it from the image that had it.
    pub fn tag(&self, r: &Reference, id: &Digest) -> Result<()> {
        self.write(|tx| {
            let image = id.to_string();
            if !tx
                .prepare_cached("SELECT 1 FROM images WHERE id = ?")?
                .exists([&image])?
            {
                return Err(StoreError::NotFound { name: image });
            }
            give(tx, r, id, &self.boot).map(|_| ())
        })
    }

    /// Removes a name and returns the image that had it.
    pub fn untag(&self, r: &Reference) -> Result<Option<Digest>> {
        let id: Option<String> = self.write_through(|tx| {
            let mut statement = tx.prepare("DELETE FROM tags WHERE name = ? RETURNING image")?;
            Ok(statement.query_row([key(r)], |row| row.get(0)).optional()?)
        })?;
        id.as_deref()
            .map(digest)
            .transpose()
            .map_err(|e| e.in_store(self.root()))
    }

    /// All names and their images, in order of the names.
    pub fn tags(&self) -> Result<Vec<(Reference, Digest)>> {
        self.read(|conn| {
            let mut statement =
                conn.prepare_cached("SELECT name, image FROM tags ORDER BY name")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.map(|row| {
                let (name, image): (String, String) = row?;
                Ok((reference(&name)?, digest(&image)?))
            })
            .collect()
        })
    }

    /// The names of one image, in order.
    pub fn tags_of(&self, id: &Digest) -> Result<Vec<Reference>> {
        self.read(|conn| {
            let mut statement =
                conn.prepare_cached("SELECT name FROM tags WHERE image = ? ORDER BY name")?;
            let rows = statement.query_map([id.to_string()], |row| row.get(0))?;
            rows.map(|row: rusqlite::Result<String>| reference(&row?))
                .collect()
        })
    }
}

/// Moves a name to a stored image; whether it was another's before.
pub(crate) fn give(tx: &Transaction<'_>, r: &Reference, id: &Digest, boot: &str) -> Result<bool> {
    if r.digest().is_some() {
        return Err(StoreError::InvalidTag(r.familiar()));
    }
    let seq = next_seq(tx)?;
    // Until the move is durable, a power loss undoes it.
    let moved = tx
        .prepare_cached(
            "INSERT INTO tags (name, image, seq, boot) VALUES (?, ?, ?, ?)
                ON CONFLICT (name) DO UPDATE SET
                    safe = CASE WHEN durable THEN image ELSE safe END,
                    image = excluded.image, seq = excluded.seq, boot = excluded.boot,
                    durable = 0
                WHERE image <> excluded.image",
        )?
        .execute(params![key(r), id.to_string(), seq, boot])?;
    Ok(moved > 0)
}

/// A reference as the table has it: complete, with its tag.
pub(crate) fn key(r: &Reference) -> String {
    r.clone().with_default_tag().canonical()
}

pub(crate) fn reference(name: &str) -> Result<Reference> {
    Reference::parse(name).map_err(|e| StoreError::corrupt(format!("{name:?}: {e}")))
}
