//! Build-cache records: what running a step made.

use kiln_oci::Digest;
use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use crate::db::next_seq;
use crate::layers::digest;
use crate::{Result, Store, StoreError};

/// The result of one step, found again by everything it depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CacheRecord {
    /// Identifies the step and all its inputs.
    pub key: String,
    /// Identifies the step alone, whatever its inputs.
    pub shape: String,
    /// The layer it made; none if it changed nothing.
    pub layer: Option<Digest>,
    /// When it ran, in RFC 3339 format.
    pub created: String,
    /// How long it ran, in milliseconds.
    pub took_ms: u64,
    /// The instruction, for people.
    pub text: String,
    /// What went into the key, to explain a miss.
    pub inputs: Vec<Input>,
    /// What else a miss is explained with: it is no part of the key.
    pub about: Vec<Input>,
}

impl CacheRecord {
    /// The state of the step before, where the inputs name one.
    fn parent(&self) -> &str {
        let state = |i: &&Input| i.kind == "parent" && i.name == "state";
        self.inputs
            .iter()
            .find(state)
            .map_or("", |i| i.value.as_str())
    }
}

/// Why a record isn't there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// It was removed.
    Record,
    /// Its layer was.
    Layer,
    /// There was none of that key, and there were others of that shape, which
    /// were removed.
    Others,
}

/// One of the things a step's result depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// The kind of thing, such as a file or a build argument.
    pub kind: String,
    /// Which one.
    pub name: String,
    /// Its value or a digest of it.
    pub value: String,
}

const COLUMNS: &str = "key, shape, layer, created, took_ms, text, inputs, seq, about";

impl Store {
    /// Looks a step up. A record whose layer is gone counts as absent.
    pub fn cache_get(&self, key: &str) -> Result<Option<CacheRecord>> {
        let found = self.read(|conn| {
            let mut statement = conn.prepare_cached(&format!(
                "SELECT {COLUMNS}, layer IS NULL
                    OR EXISTS (SELECT 1 FROM layers WHERE diff_id = layer)
                    FROM cache WHERE key = ?"
            ))?;
            let row = statement.query_row([key], |row| {
                Ok((record(row), row.get::<_, i64>(7)?, row.get::<_, bool>(9)?))
            });
            Ok(row.optional()?)
        })?;
        let Some((record, seq, has_row)) = found else {
            return Ok(None);
        };
        let record = record.map_err(|e| e.in_store(self.root()))?;
        let usable = has_row
            && match &record.layer {
                Some(layer) => self.has_layer_dir(layer)?,
                None => true,
            };
        if usable {
            return Ok(Some(record));
        }
        self.write(|tx| {
            let row = params![key, seq];
            tx.execute("DELETE FROM cache WHERE key = ? AND seq = ?", row)?;
            Ok(tx.execute("UPDATE gone SET layer = 1 WHERE key = ?", [key])?)
        })?;
        Ok(None)
    }

    /// Stores a record, replacing the one with the same key.
    pub fn cache_put(&self, r: &CacheRecord) -> Result<()> {
        let inputs = serde_json::to_string(&r.inputs).map_err(StoreError::corrupt)?;
        let about = serde_json::to_string(&r.about).map_err(StoreError::corrupt)?;
        let layer = r.layer.map(|d| d.to_string());
        self.write(|tx| {
            let seq = next_seq(tx)?;
            tx.prepare_cached(&format!(
                "INSERT OR REPLACE INTO cache ({COLUMNS}, parent, boot)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            ))?
            .execute(params![
                r.key,
                r.shape,
                layer,
                r.created,
                r.took_ms,
                r.text,
                inputs,
                seq,
                about,
                r.parent(),
                self.boot
            ])?;
            Ok(())
        })
    }

    /// Records to compare a miss with: the latest of the same shape, of the
    /// same text, and of the same parent, newest first, each once.
    ///
    /// Whether their layers still exist is not checked.
    pub fn cache_near(&self, shape: &str, text: &str, parent: &str) -> Result<Vec<CacheRecord>> {
        const EACH: &str = "ORDER BY seq DESC LIMIT 12)";
        self.read(|conn| {
            let mut statement = conn.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM cache WHERE key IN (
                    SELECT key FROM (SELECT key FROM cache WHERE shape = ?1 {EACH}
                    UNION SELECT key FROM (SELECT key FROM cache WHERE parent <> ''
                        AND substr(text, 1, 80) = substr(?2, 1, 80) AND text = ?2 {EACH}
                    UNION SELECT key FROM (SELECT key FROM cache WHERE parent <> ''
                        AND parent = ?3 {EACH}
                ) ORDER BY seq DESC"
            ))?;
            let rows = statement.query_map([shape, text, parent], |row| Ok(record(row)))?;
            rows.map(|row| row?).collect()
        })
    }

    /// The record of a key as it is, whether its layer still exists or not.
    pub fn cache_peek(&self, key: &str) -> Result<Option<CacheRecord>> {
        self.read(|conn| {
            let mut statement =
                conn.prepare_cached(&format!("SELECT {COLUMNS} FROM cache WHERE key = ?"))?;
            let row = statement.query_row([key], |row| Ok(record(row)));
            row.optional()?.transpose()
        })
    }

    /// Whether there was a record of that key once, or of that shape: the last
    /// 20,000 that went are known.
    pub fn cache_gone(&self, key: &str, shape: &str) -> Result<Option<Gone>> {
        self.read(|conn| {
            let mut statement = conn
                .prepare_cached("SELECT layer FROM gone WHERE key = ? ORDER BY n DESC LIMIT 1")?;
            let layer: Option<bool> = statement.query_row([key], |row| row.get(0)).optional()?;
            if let Some(layer) = layer {
                return Ok(Some(if layer { Gone::Layer } else { Gone::Record }));
            }
            let mut statement = conn.prepare_cached("SELECT 1 FROM gone WHERE shape = ?")?;
            Ok(statement.exists([shape])?.then_some(Gone::Others))
        })
    }
}

fn record(row: &Row<'_>) -> Result<CacheRecord> {
    let layer: Option<String> = row.get(2)?;
    let inputs: String = row.get(6)?;
    let about: String = row.get(8)?;
    Ok(CacheRecord {
        key: row.get(0)?,
        shape: row.get(1)?,
        layer: layer.as_deref().map(digest).transpose()?,
        created: row.get(3)?,
        took_ms: row.get(4)?,
        text: row.get(5)?,
        inputs: serde_json::from_str(&inputs).map_err(StoreError::corrupt)?,
        about: serde_json::from_str(&about).map_err(StoreError::corrupt)?,
    })
}
