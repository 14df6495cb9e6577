//! Layers: directories in `layers/` and their rows.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use kiln_oci::Digest;
use rusqlite::{OptionalExtension, Transaction, params};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::db::next_seq;
use crate::scratch::remove_tree;
use crate::{Result, Scratch, Store, StoreError};

/// What the store knows about one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The digest of the layer's uncompressed tar archive.
    pub diff_id: Digest,
    /// The bytes of its regular files.
    pub size: u64,
    /// The bytes of its uncompressed tar archive.
    pub tar_size: u64,
    /// How many files, directories and so on it has.
    pub entries: u64,
    /// When it was made, in RFC 3339 format.
    pub created: String,
    /// Whether its tar is to be made by the recipe in [`Store::recipe_path`],
    /// since it came from elsewhere.
    pub recipe: bool,
}

impl Store {
    /// Where the layer is, or would be: `layers/<hex>`.
    pub fn layer_dir(&self, diff_id: &Digest) -> PathBuf {
        self.layers_root().join(diff_id.hex())
    }

    /// Where the recipe of a foreign layer's tar is, or would be.
    pub fn recipe_path(&self, diff_id: &Digest) -> PathBuf {
        self.root().join("recipes").join(diff_id.hex())
    }

    /// Looks a layer up. One whose directory is gone counts as absent.
    pub fn layer(&self, diff_id: &Digest) -> Result<Option<Layer>> {
        let found = self.read(|conn| {
            let mut statement = conn.prepare_cached(
                "SELECT size, tar_size, entries, created, recipe, seq FROM layers
                    WHERE diff_id = ?",
            )?;
            let row = statement.query_row([diff_id.to_string()], |row| {
                let (size, tar_size, entries) = (row.get(0)?, row.get(1)?, row.get(2)?);
                let (diff_id, created, recipe) = (*diff_id, row.get(3)?, row.get(4)?);
                Ok((
                    Layer {
                        diff_id,
                        size,
                        tar_size,
                        entries,
                        created,
                        recipe,
                    },
                    row.get::<_, i64>(5)?,
                ))
            });
            Ok(row.optional()?)
        })?;
        let Some((layer, seq)) = found else {
            return Ok(None);
        };
        if self.has_layer_dir(diff_id)? {
            return Ok(Some(layer));
        }
        // On disk at once: if the row came back after a power loss, it would
        // vouch for whatever is put there next.
        self.write_through(|tx| {
            let key = params![diff_id.to_string(), seq];
            Ok(tx.execute("DELETE FROM layers WHERE diff_id = ? AND seq = ?", key)?)
        })?;
        Ok(None)
    }

    /// Moves the finished directory `dir` into place as a layer.
    ///
    /// `dir` must be on the store's file system, best in a [`Scratch`]. If the
    /// layer exists already, that one stays and `dir` is deleted. The caller
    /// keeps a [`Hold`](crate::Hold) until a cache record or an image names
    /// the layer; before that it may be collected.
    pub fn commit_layer(&self, dir: &Path, layer: &Layer) -> Result<()> {
        self.commit(dir, layer, None)
    }

    /// As [`Store::commit_layer`], for a layer that came from elsewhere, with
    /// the file `recipe` that tells how to get its tar back.
    pub fn commit_foreign_layer(&self, dir: &Path, layer: &Layer, recipe: &Path) -> Result<()> {
        self.commit(dir, layer, Some(recipe))
    }

    fn commit(&self, dir: &Path, layer: &Layer, recipe: Option<&Path>) -> Result<()> {
        // Drops a row without directory, see there.
        if self.layer(&layer.diff_id)?.is_some() {
            return remove_tree(dir);
        }
        let mut trash = Trash::new(self);
        let moved = self.write(|tx| {
            // Renaming inside the transaction is what makes the processes
            // that commit the same layer take turns.
            let exists = self.has_layer_dir(&layer.diff_id)?;
            if exists && has_row(tx, &layer.diff_id)? {
                return Ok(false);
            }
            let target = self.layer_dir(&layer.diff_id);
            // A directory without row may be incomplete after a power loss.
            trash.take(&target)?;
            if let Some(recipe) = recipe {
                let place = self.recipe_path(&layer.diff_id);
                std::fs::rename(recipe, place)
                    .map_err(|e| StoreError::io("cannot move into the store:", recipe, e))?;
            }
            rename(dir, &target)?;
            insert(tx, layer, recipe.is_some(), &self.boot)?;
            Ok(true)
        })?;
        if !moved {
            remove_tree(dir)?;
        }
        Ok(())
    }

    pub(crate) fn has_layer_dir(&self, diff_id: &Digest) -> Result<bool> {
        let path = self.layer_dir(diff_id);
        match std::fs::symlink_metadata(&path) {
            Ok(meta) => Ok(meta.is_dir()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(StoreError::io("cannot look at", &path, e)),
        }
    }
}

pub(crate) fn has_row(tx: &Transaction<'_>, diff_id: &Digest) -> Result<bool> {
    let mut statement = tx.prepare_cached("SELECT 1 FROM layers WHERE diff_id = ?")?;
    Ok(statement.exists([diff_id.to_string()])?)
}

fn insert(tx: &Transaction<'_>, layer: &Layer, recipe: bool, boot: &str) -> Result<()> {
    let seq = next_seq(tx)?;
    tx.prepare_cached(
        "INSERT OR REPLACE INTO layers
            (diff_id, size, tar_size, entries, created, recipe, seq, boot)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        layer.diff_id.to_string(),
        layer.size,
        layer.tar_size,
        layer.entries,
        layer.created,
        recipe,
        seq,
        boot
    ])?;
    Ok(())
}

/// Renames, refusing to replace anything.
fn rename(from: &Path, to: &Path) -> Result<()> {
    let done = match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system knows the flag; the transaction's lock and
        // the check before it do without.
        Err(Errno::INVAL | Errno::NOSYS) => std::fs::rename(from, to),
        other => other.map_err(io::Error::from),
    };
    done.map_err(|e| StoreError::io("cannot move into the store:", from, e))
}

/// Reads a digest column.
pub(crate) fn digest(text: &str) -> Result<Digest> {
    parse(text)
}

/// Parses what this program wrote; anything else means a damaged database.
pub(crate) fn parse<T>(text: &str) -> Result<T>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse()
        .map_err(|e| StoreError::corrupt(format!("{text:?}: {e}")))
}

/// Layer directories taken out of the store, deleted when this is dropped.
///
/// Taking one is a `rename`, quick enough for a transaction; deleting it comes
/// after the transaction has ended.
pub(crate) struct Trash<'a> {
    store: &'a Store,
    scratch: Option<Scratch>,
    count: u64,
}

impl<'a> Trash<'a> {
    pub(crate) fn new(store: &'a Store) -> Trash<'a> {
        Trash {
            store,
            scratch: None,
            count: 0,
        }
    }

    /// Takes the directory of a layer, and its recipe.
    pub(crate) fn take_id(&mut self, diff_id: &str) -> Result<()> {
        let id = digest(diff_id)?;
        self.take(&self.store.layer_dir(&id))?;
        self.take(&self.store.recipe_path(&id))
    }

    /// Takes anything; if it is not there that is fine.
    pub(crate) fn take(&mut self, path: &Path) -> Result<()> {
        if std::fs::symlink_metadata(path).is_err() {
            return Ok(());
        }
        let scratch = match self.scratch.take() {
            Some(scratch) => scratch,
            None => self.store.scratch()?,
        };
        let target = scratch.path().join(self.count.to_string());
        self.scratch = Some(scratch);
        self.count += 1;
        match std::fs::rename(path, target) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io("cannot remove", path, e))
            }
            _ => Ok(()),
        }
    }
}
