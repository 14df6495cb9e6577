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

const COLUMNS: &str = "key, shape, layer, created, took_ms, text, inputs, seq";

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
                Ok((record(row), row.get::<_, i64>(7)?, row.get::<_, bool>(8)?))
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
            Ok(tx.execute("DELETE FROM cache WHERE key = ? AND seq = ?", row)?)
        })?;
        Ok(None)
    }

    /// Stores a record, replacing the one with the same key.
    pub fn cache_put(&self, r: &CacheRecord) -> Result<()> {
        let inputs = serde_json::to_string(&r.inputs).map_err(StoreError::corrupt)?;
        let layer = r.layer.map(|d| d.to_string());
        self.write(|tx| {
            let seq = next_seq(tx)?;
            tx.prepare_cached(&format!(
                "INSERT OR REPLACE INTO cache ({COLUMNS}, boot)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            ))?
            .execute(params![
                r.key, r.shape, layer, r.created, r.took_ms, r.text, inputs, seq, self.boot
            ])?;
            Ok(())
        })
    }

    /// The latest records of the same step with whatever inputs, newest first.
    ///
    /// Tells whether a hit is possible at all, and against what to compare
    /// when there was none. Whether their layers still exist is not checked.
    pub fn cache_like(&self, shape: &str, limit: usize) -> Result<Vec<CacheRecord>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|conn| {
            let mut statement = conn.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM cache WHERE shape = ? ORDER BY seq DESC LIMIT ?"
            ))?;
            let rows = statement.query_map(params![shape, limit], |row| Ok(record(row)))?;
            rows.map(|row| row?).collect()
        })
    }
}

fn record(row: &Row<'_>) -> Result<CacheRecord> {
    let layer: Option<String> = row.get(2)?;
    let inputs: String = row.get(6)?;
    Ok(CacheRecord {
        key: row.get(0)?,
        shape: row.get(1)?,
        layer: layer.as_deref().map(digest).transpose()?,
        created: row.get(3)?,
        took_ms: row.get(4)?,
        text: row.get(5)?,
        inputs: serde_json::from_str(&inputs).map_err(StoreError::corrupt)?,
    })
}
