//! The database: its settings, its format and its migrations.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::{Result, StoreError};

/// Brings a database from format `n` to `n + 1`; never edited, only appended.
///
/// Every row carries three columns for [durability](crate::durable): `seq`,
/// the number of the change that wrote it; `boot`, the kernel boot in which
/// that happened; and `durable`, whether it was synced since.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE counter (n INTEGER NOT NULL);
    INSERT INTO counter VALUES (0);

    CREATE TABLE layers (
        diff_id TEXT PRIMARY KEY,
        size INTEGER NOT NULL,
        tar_size INTEGER NOT NULL,
        entries INTEGER NOT NULL,
        created TEXT NOT NULL,
        seq INTEGER NOT NULL, boot TEXT NOT NULL, durable INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE INDEX layers_pending ON layers (boot, seq) WHERE durable = 0;

    CREATE TABLE cache (
        key TEXT PRIMARY KEY,
        shape TEXT NOT NULL,
        layer TEXT,
        created TEXT NOT NULL,
        took_ms INTEGER NOT NULL,
        text TEXT NOT NULL,
        inputs TEXT NOT NULL,
        seq INTEGER NOT NULL, boot TEXT NOT NULL, durable INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX cache_shape ON cache (shape, seq);
    CREATE INDEX cache_layer ON cache (layer) WHERE layer IS NOT NULL;
    CREATE INDEX cache_pending ON cache (boot, seq) WHERE durable = 0;

    CREATE TABLE images (
        id TEXT PRIMARY KEY,
        config BLOB NOT NULL,
        manifest BLOB,
        manifest_digest TEXT,
        created TEXT,
        stored_at TEXT NOT NULL,
        seq INTEGER NOT NULL, boot TEXT NOT NULL, durable INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX images_manifest ON images (manifest_digest)
        WHERE manifest_digest IS NOT NULL;
    CREATE INDEX images_pending ON images (boot, seq) WHERE durable = 0;

    CREATE TABLE image_layers (
        image TEXT NOT NULL,
        position INTEGER NOT NULL,
        layer TEXT NOT NULL,
        PRIMARY KEY (image, position)
    ) WITHOUT ROWID;
    CREATE INDEX image_layers_layer ON image_layers (layer);

    -- `safe` is the image that the tag named when it was last durable.
    CREATE TABLE tags (
        name TEXT PRIMARY KEY,
        image TEXT NOT NULL,
        safe TEXT,
        seq INTEGER NOT NULL, boot TEXT NOT NULL, durable INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE INDEX tags_image ON tags (image);
    CREATE INDEX tags_pending ON tags (boot, seq) WHERE durable = 0;
",
    "
    -- Whether recipes/<hex> tells how to get the layer's tar back.
    ALTER TABLE layers ADD COLUMN recipe INTEGER NOT NULL DEFAULT 0;

    -- Knowledge, not state: a row may be lost or out of date without harm, so
    -- these have none of the columns for durability.
    CREATE TABLE blobs (
        layer TEXT NOT NULL,
        digest TEXT NOT NULL,
        size INTEGER NOT NULL,
        media_type TEXT NOT NULL,
        PRIMARY KEY (layer, digest)
    ) WITHOUT ROWID;
    CREATE TABLE blob_homes (
        digest TEXT NOT NULL,
        registry TEXT NOT NULL,
        repository TEXT NOT NULL,
        PRIMARY KEY (digest, registry, repository)
    ) WITHOUT ROWID;

    -- `repository@digest` by which images were pulled or pushed.
    CREATE TABLE repo_digests (
        name TEXT NOT NULL,
        image TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (name, image)
    ) WITHOUT ROWID;

    -- Lists of images for several platforms: what `manifest create` was told.
    CREATE TABLE lists (
        name TEXT NOT NULL,
        position INTEGER NOT NULL,
        member TEXT NOT NULL,
        PRIMARY KEY (name, position)
    ) WITHOUT ROWID;
",
    "
    -- To explain misses: what a record is found by besides its key and shape,
    -- and what is told of it that is no part of its key.
    ALTER TABLE cache ADD COLUMN parent TEXT NOT NULL DEFAULT '';
    ALTER TABLE cache ADD COLUMN about TEXT NOT NULL DEFAULT '[]';
    CREATE INDEX cache_parent ON cache (parent, seq) WHERE parent <> '';
    CREATE INDEX cache_text ON cache (substr(text, 1, 80), seq) WHERE parent <> '';

    -- Knowledge, not state, as above: keys of records that are gone, and what
    -- was told of the last builds.
    CREATE TABLE gone (
        n INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        shape TEXT NOT NULL,
        layer INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX gone_key ON gone (key);
    CREATE INDEX gone_shape ON gone (shape);
    CREATE TRIGGER cache_gone AFTER DELETE ON cache WHEN old.parent <> '' BEGIN
        INSERT INTO gone (key, shape) VALUES (old.key, old.shape);
        DELETE FROM gone WHERE n <= last_insert_rowid() - 20000;
    END;
    CREATE TABLE builds (
        n INTEGER PRIMARY KEY,
        image TEXT,
        at TEXT NOT NULL,
        report BLOB NOT NULL
    );
    CREATE INDEX builds_image ON builds (image) WHERE image IS NOT NULL;
",
    "
    -- A row implies containers/<id>/; one whose directory is gone is none.
    CREATE TABLE containers (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        image TEXT NOT NULL,
        created TEXT NOT NULL,
        config BLOB NOT NULL,
        seq INTEGER NOT NULL
    );
    CREATE INDEX containers_image ON containers (image);
    CREATE TABLE container_layers (
        container TEXT NOT NULL,
        position INTEGER NOT NULL,
        layer TEXT NOT NULL,
        PRIMARY KEY (container, position)
    ) WITHOUT ROWID;
    CREATE INDEX container_layers_layer ON container_layers (layer);

    CREATE TABLE volumes (
        name TEXT PRIMARY KEY,
        created TEXT NOT NULL,
        anonymous INTEGER NOT NULL,
        labels TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE container_volumes (
        container TEXT NOT NULL,
        volume TEXT NOT NULL,
        PRIMARY KEY (container, volume)
    ) WITHOUT ROWID;
",
];

/// The format that this version writes.
const FORMAT: i64 = MIGRATIONS.len() as i64;

/// Opens the database of the store in `root`, creating or upgrading it.
///
/// The caller has the lock on `locks/open`: switching a new database to WAL
/// mode does not wait for other connections, it fails.
pub(crate) fn open(root: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(root.join("kiln.db"), flags)?;
    conn.busy_timeout(Duration::from_secs(30))?;
    // By default the last connection to close copies the log into the
    // database and waits for the disk: at the end of every single command.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let format: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if format > FORMAT {
        let (path, found, supported) = (root.to_owned(), format, FORMAT);
        return Err(StoreError::Newer {
            path,
            found,
            supported,
        });
    }
    let mode: String =
        conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::corrupt(format!(
            "journal mode {mode} instead of wal"
        )));
    }
    // The first connection reads the whole log, so it is kept short.
    conn.pragma_update_and_check(None, "wal_autocheckpoint", 256, |_| Ok(()))?;
    conn.pragma_update(None, "synchronous", "NORMAL")?;
    conn.set_prepared_statement_cache_capacity(64);
    if format < FORMAT {
        migrate(&mut conn)?;
    }
    Ok(conn)
}

fn migrate(conn: &mut Connection) -> Result<()> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let format: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done = usize::try_from(format).map_err(StoreError::corrupt)?;
    for migration in MIGRATIONS.iter().skip(done) {
        tx.execute_batch(migration)?;
    }
    tx.pragma_update(None, "user_version", FORMAT)?;
    Ok(tx.commit()?)
}

/// The number of a change; later changes have larger ones.
///
/// Taken inside the transaction that makes the change, so that whoever reads
/// the counter knows that every change up to that number is complete.
pub(crate) fn next_seq(tx: &Transaction<'_>) -> Result<i64> {
    let mut statement = tx.prepare_cached("UPDATE counter SET n = n + 1 RETURNING n")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}
