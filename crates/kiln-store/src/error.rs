//! What can go wrong with the store.

use std::io;
use std::path::{Path, PathBuf};

use kiln_oci::Digest;
use rusqlite::ErrorCode;

/// The result of a store operation.
pub type Result<T> = std::result::Result<T, StoreError>;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file operation failed.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was being done, as in "cannot create".
        what: &'static str,
        /// The file or directory concerned.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file system (or the user's quota) is full.
    #[error(
        "no space left on the file system of {}; free some space or remove unused images",
        path.display()
    )]
    DiskFull {
        /// The store's root or the file concerned.
        path: PathBuf,
    },
    /// The database is damaged.
    #[error(
        "the store database {} is damaged ({detail}); move the directory {} away or delete it: \
         images and cache are then built or pulled again",
        path.join("kiln.db").display(),
        path.display()
    )]
    Corrupt {
        /// The store's root.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The database was written by a newer version of this program.
    #[error(
        "the store {} has format {found}, but this version only knows formats up to {supported}; \
         use a newer version, or another store directory",
        path.display()
    )]
    Newer {
        /// The store's root.
        path: PathBuf,
        /// The format found.
        found: i64,
        /// The newest format that this version understands.
        supported: i64,
    },
    /// Another process kept the database locked for too long.
    #[error("the store {} is locked by another process for too long", path.display())]
    Busy {
        /// The store's root.
        path: PathBuf,
    },
    /// Layers cannot be collected because a build uses the store.
    #[error("the store {} is in use by a build; try again when it has finished", path.display())]
    InUse {
        /// The store's root.
        path: PathBuf,
    },
    /// Some other database failure.
    #[error("store database {}: {source}", path.display())]
    Database {
        /// The store's root.
        path: PathBuf,
        /// The cause.
        source: rusqlite::Error,
    },
    /// No image has that name or id.
    #[error("No such image: {name}")]
    NotFound {
        /// The name, with the default tag where none was given.
        name: String,
    },
    /// An id prefix fits several images.
    #[error(
        "image id {name} is ambiguous, it could be any of: {}",
        join(candidates)
    )]
    Ambiguous {
        /// The prefix given.
        name: String,
        /// The images that it fits.
        candidates: Vec<Digest>,
    },
    /// No container has that name or id.
    #[error("No such container: {name}")]
    NoContainer {
        /// What was asked for.
        name: String,
    },
    /// An id prefix fits several containers.
    #[error(
        "container id {name} is ambiguous, it could be any of: {}",
        candidates.join(", ")
    )]
    AmbiguousContainer {
        /// The prefix given.
        name: String,
        /// The containers that it fits: id and name.
        candidates: Vec<String>,
    },
    /// Another container has the name.
    #[error(
        "Conflict. The container name \"/{name}\" is already in use by container \"{id}\". \
         You have to remove (or rename) that container to be able to reuse that name."
    )]
    ContainerName {
        /// The name.
        name: String,
        /// Who has it.
        id: String,
    },
    /// There is no volume of that name.
    #[error("get {name}: no such volume")]
    NoVolume {
        /// The name.
        name: String,
    },
    /// Containers use the volume.
    #[error("remove {name}: volume is in use - [{}]", users.join(", "))]
    VolumeInUse {
        /// The volume.
        name: String,
        /// The containers' ids.
        users: Vec<String>,
    },
    /// The image cannot be removed while tags name it.
    #[error("image {id} is still tagged: {}", tags.join(", "))]
    Tagged {
        /// The image.
        id: Digest,
        /// Its tags.
        tags: Vec<String>,
    },
    /// An image names a layer that the store does not have.
    #[error("the image needs layer {diff_id}, which is not in the store")]
    MissingLayer {
        /// The absent layer.
        diff_id: Digest,
    },
    /// The image configuration could not be understood.
    #[error("invalid image configuration: {0}")]
    Config(String),
    /// A tag must be a name and a tag, without digest.
    #[error("invalid tag {0}: a tag cannot contain a digest")]
    InvalidTag(String),
    /// No directory for the store could be determined.
    #[error("cannot tell where the store is: set KILN_ROOT, XDG_DATA_HOME or HOME")]
    NoRoot,
}

fn join(digests: &[Digest]) -> String {
    let names: Vec<String> = digests.iter().map(ToString::to_string).collect();
    names.join(", ")
}

impl StoreError {
    /// Wraps a file error, telling a full disk from the rest.
    pub(crate) fn io(what: &'static str, path: &Path, source: impl Into<io::Error>) -> StoreError {
        let source = source.into();
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                StoreError::DiskFull { path }
            }
            _ => StoreError::Io { what, path, source },
        }
    }

    /// A row holds something that this program never wrote.
    pub(crate) fn corrupt(detail: impl ToString) -> StoreError {
        let (path, detail) = (PathBuf::new(), detail.to_string());
        StoreError::Corrupt { path, detail }
    }

    /// Names the store in an error that came out of the database.
    pub(crate) fn in_store(mut self, root: &Path) -> StoreError {
        if let StoreError::DiskFull { path }
        | StoreError::Corrupt { path, .. }
        | StoreError::Busy { path }
        | StoreError::Database { path, .. } = &mut self
            && path.as_os_str().is_empty()
        {
            *path = root.to_owned();
        }
        self
    }
}

/// The path is filled in by [`StoreError::in_store`].
impl From<rusqlite::Error> for StoreError {
    fn from(source: rusqlite::Error) -> StoreError {
        let path = PathBuf::new();
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreError::DiskFull { path },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                StoreError::corrupt(source)
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy { path },
            _ => StoreError::Database { path, source },
        }
    }
}
