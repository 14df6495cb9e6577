//! Images: a configuration, the layers it names and perhaps a manifest.

use std::cmp::Reverse;

use jiff::Timestamp;
use kiln_oci::{Digest, ImageConfig, Reference};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::db::next_seq;
use crate::layers::{Trash, digest, has_row};
use crate::tags::give;
use crate::{Result, Store, StoreError};

/// A stored image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRecord {
    /// The digest of its configuration.
    pub id: Digest,
    /// The configuration, byte for byte.
    pub config_json: Vec<u8>,
    /// The manifest it was pulled with, byte for byte.
    pub manifest: Option<Vec<u8>>,
    /// The sizes of its layers, added up.
    pub size: u64,
    /// When it was made, as its configuration says; may be empty.
    pub created: String,
    /// When it was stored here, in RFC 3339 format.
    pub stored_at: String,
}

impl Store {
    /// Stores an image and returns its id. All its layers must be there.
    ///
    /// Storing it again changes nothing, except that a manifest is kept.
    pub fn image_put(&self, config_json: &[u8], manifest: Option<&[u8]>) -> Result<Digest> {
        let (id, _) = self.image_put_named(config_json, manifest, &[])?;
        Ok(id)
    }

    /// Stores an image and gives it names at the same moment, so that nobody
    /// finds it without them. Also returns whether anything is new.
    pub fn image_put_named(
        &self,
        config_json: &[u8],
        manifest: Option<&[u8]>,
        names: &[Reference],
    ) -> Result<(Digest, bool)> {
        let config =
            ImageConfig::from_json(config_json).map_err(|e| StoreError::Config(e.to_string()))?;
        let id = Digest::of(config_json);
        let manifest_digest = manifest.map(|m| Digest::of(m).to_string());
        let stored_at = Timestamp::now().to_string();
        self.write(|tx| {
            for &diff_id in &config.rootfs.diff_ids {
                if !has_row(tx, &diff_id)? {
                    return Err(StoreError::MissingLayer { diff_id });
                }
            }
            let seq = next_seq(tx)?;
            let stored = tx
                .prepare_cached(
                    "INSERT INTO images (id, config, manifest, manifest_digest, created, stored_at,
                        seq, boot)
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                    ON CONFLICT (id) DO UPDATE SET manifest = ?3, manifest_digest = ?4
                    WHERE ?3 IS NOT NULL AND manifest IS NOT ?3",
                )?
                .execute(params![
                    id.to_string(),
                    config_json,
                    manifest,
                    manifest_digest,
                    config.created,
                    stored_at,
                    seq,
                    self.boot
                ])?;
            let mut add = tx.prepare_cached(
                "INSERT OR IGNORE INTO image_layers (image, position, layer) VALUES (?, ?, ?)",
            )?;
            for (position, layer) in config.rootfs.diff_ids.iter().enumerate() {
                let position = i64::try_from(position).map_err(StoreError::corrupt)?;
                add.execute(params![id.to_string(), position, layer.to_string()])?;
            }
            let mut new = stored > 0;
            for name in names {
                new |= give(tx, name, &id, &self.boot)?;
            }
            Ok((id, new))
        })
    }

    /// Looks an image up by its id; see [`Store::resolve`] for names.
    pub fn image(&self, id: &Digest) -> Result<Option<ImageRecord>> {
        self.read(|conn| {
            let mut statement = conn.prepare_cached(&select("WHERE id = ?"))?;
            let found = statement.query_row([id.to_string()], |row| Ok(record(row)));
            found.optional()?.transpose()
        })
    }

    /// All images, newest first.
    pub fn images(&self) -> Result<Vec<ImageRecord>> {
        let mut images: Vec<ImageRecord> = self.read(|conn| {
            let mut statement = conn.prepare_cached(&select("ORDER BY seq DESC"))?;
            let rows = statement.query_map([], |row| Ok(record(row)))?;
            rows.map(|row| row?).collect()
        })?;
        // Stable: images that claim the same age stay in order of storing.
        images.sort_by_key(|image| Reverse(image.created.parse::<Timestamp>().ok()));
        Ok(images)
    }

    /// Removes an image, which must not have tags any more, and the layers
    /// that nothing else uses. Returns the diff ids of those.
    ///
    /// While a build uses the store, layers stay for [`Store::collect`].
    pub fn remove_image(&self, id: &Digest) -> Result<Vec<Digest>> {
        match self.untag_and_remove(id, &[])? {
            Some(freed) => Ok(freed),
            None => {
                let tags = self.tags_of(id)?.iter().map(Reference::canonical).collect();
                Err(StoreError::Tagged { id: *id, tags })
            }
        }
    }

    /// Takes names away from an image, and removes it as
    /// [`Store::remove_image`] does if it has no other. All in one step:
    /// whoever gives it a name meanwhile does so before or after.
    pub fn untag_and_remove(
        &self,
        id: &Digest,
        names: &[Reference],
    ) -> Result<Option<Vec<Digest>>> {
        let alone = self.try_exclusive()?;
        let mut trash = Trash::new(self);
        let freed = self.write_through(|tx| {
            let key = id.to_string();
            let mut untag = tx.prepare("DELETE FROM tags WHERE name = ? AND image = ?")?;
            for name in names {
                untag.execute([&crate::tags::key(name), &key])?;
            }
            let mut forget = tx.prepare("DELETE FROM repo_digests WHERE name = ? AND image = ?")?;
            for name in names {
                forget.execute([&name.canonical(), &key])?;
            }
            let mut tags = tx.prepare("SELECT 1 FROM tags WHERE image = ?")?;
            if tags.exists([&key])? {
                return Ok(None);
            }
            let layers = layers_of(tx, id)?;
            tx.execute("DELETE FROM repo_digests WHERE image = ?", [&key])?;
            tx.execute("DELETE FROM image_layers WHERE image = ?", [&key])?;
            tx.execute("UPDATE tags SET safe = NULL WHERE safe = ?", [&key])?;
            if tx.execute("DELETE FROM images WHERE id = ?", [&key])? == 0 {
                return Err(StoreError::NotFound { name: key });
            }
            if alone.is_none() {
                return Ok(Some(Vec::new()));
            }
            let mut freed = Vec::new();
            for layer in layers {
                let unused = tx.execute(
                    "DELETE FROM layers WHERE diff_id = ?1
                        AND NOT EXISTS (SELECT 1 FROM image_layers WHERE layer = ?1)
                        AND NOT EXISTS (SELECT 1 FROM container_layers WHERE layer = ?1)
                        AND NOT EXISTS (SELECT 1 FROM cache WHERE layer = ?1)",
                    [&layer],
                )?;
                if unused > 0 {
                    trash.take_id(&layer)?;
                    freed.push(digest(&layer)?);
                }
            }
            Ok(Some(freed))
        })?;
        Ok(freed)
    }
}

fn layers_of(conn: &Connection, id: &Digest) -> Result<Vec<String>> {
    let mut statement =
        conn.prepare_cached("SELECT layer FROM image_layers WHERE image = ? ORDER BY position")?;
    let rows = statement.query_map([id.to_string()], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn select(rest: &str) -> String {
    format!(
        "SELECT id, config, manifest, created, stored_at,
            (SELECT COALESCE(SUM(size), 0) FROM image_layers
                JOIN layers ON diff_id = layer WHERE image = id)
            FROM images {rest}"
    )
}

fn record(row: &Row<'_>) -> Result<ImageRecord> {
    let id: String = row.get(0)?;
    Ok(ImageRecord {
        id: digest(&id)?,
        config_json: row.get(1)?,
        manifest: row.get(2)?,
        created: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
        stored_at: row.get(4)?,
        size: row.get(5)?,
    })
}
