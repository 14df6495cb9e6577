//! What was told of the last builds.

use kiln_oci::Digest;
use rusqlite::{OptionalExtension, params};

use crate::{Result, Store};

/// How many builds are remembered.
const KEPT: i64 = 100;

/// What there is to tell of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildRecord {
    /// When it was, in RFC 3339 format.
    pub at: String,
    /// In the builder's own form.
    pub report: Vec<u8>,
}

impl Store {
    /// Remembers what there is to tell of a build, in place of what was told
    /// of an earlier one of the same image. The last 100 builds are kept.
    ///
    /// If there is nothing new since the last build, nothing is written.
    pub fn build_put(&self, image: Option<&Digest>, build: &BuildRecord) -> Result<()> {
        let image = image.map(ToString::to_string);
        let known = self.read(|conn| {
            let mut statement = conn.prepare_cached(
                "SELECT image IS ?1 AND report = ?2 FROM builds ORDER BY n DESC LIMIT 1",
            )?;
            let same = statement.query_row(params![image, build.report], |row| row.get(0));
            Ok(same.optional()?.unwrap_or(false))
        })?;
        if known && image.is_some() {
            return Ok(());
        }
        self.write(|tx| {
            let n: i64 = tx
                .prepare_cached("SELECT COALESCE(MAX(n), 0) + 1 FROM builds")?
                .query_row([], |row| row.get(0))?;
            tx.prepare_cached("DELETE FROM builds WHERE image = ?1 OR n <= ?2")?
                .execute(params![image, n - KEPT])?;
            tx.prepare_cached("INSERT INTO builds (n, image, at, report) VALUES (?, ?, ?, ?)")?
                .execute(params![n, image, build.at, build.report])?;
            Ok(())
        })
    }

    /// What was told of the last build of an image; of the last one at all,
    /// where none is given.
    pub fn build_last(&self, image: Option<&Digest>) -> Result<Option<BuildRecord>> {
        let image = image.map(ToString::to_string);
        self.read(|conn| {
            let mut statement = conn.prepare_cached(
                "SELECT at, report FROM builds WHERE ?1 IS NULL OR image = ?1
                    ORDER BY n DESC LIMIT 1",
            )?;
            let build = statement.query_row([image], |row| {
                Ok(BuildRecord {
                    at: row.get(0)?,
                    report: row.get(1)?,
                })
            });
            Ok(build.optional()?)
        })
    }
}
