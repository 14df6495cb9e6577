//! What can go wrong in a build, with the place in the Dockerfile and what to do next.

use std::fmt;

use kiln_dockerfile::{Pos, Span};

/// What kind of thing went wrong, for those who answer with a code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// Something here: files, processes, the disk.
    #[default]
    Other,
    /// What was asked for makes no sense.
    Invalid,
    /// It isn't there.
    NotFound,
    /// It is in somebody's way.
    Conflict,
    /// A registry wants a login, or another one.
    Denied,
    /// A command of the Dockerfile's ended with this code.
    Command(u8),
}

/// A failed build.
#[derive(Debug, Clone)]
pub struct BuildError {
    /// What happened, without the place.
    pub message: String,
    /// The Dockerfile's name and the place in it that caused it.
    pub place: Option<(String, Pos)>,
    /// What to do next.
    pub hint: Option<String>,
    /// The Dockerfile's lines around the place and the step's last output, ready to print.
    pub detail: Option<String>,
    /// True when the build was interrupted by its user.
    pub cancelled: bool,
    /// True when a write found no space left.
    pub disk_full: bool,
    /// What kind it is.
    pub kind: Kind,
}

impl BuildError {
    /// An error without a place.
    pub fn new(message: impl Into<String>) -> Self {
        BuildError {
            message: message.into(),
            place: None,
            hint: None,
            detail: None,
            cancelled: false,
            disk_full: false,
            kind: Kind::Other,
        }
    }

    /// What was asked for makes no sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        BuildError::new(message).of_kind(Kind::Invalid)
    }

    /// Says what kind it is.
    pub fn of_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// An error with a cause; `what` reads like "writing /etc/passwd".
    pub fn caused(what: impl fmt::Display, cause: &(dyn std::error::Error + 'static)) -> Self {
        BuildError {
            disk_full: no_space(cause),
            ..BuildError::new(format!("{what}: {cause}"))
        }
    }

    /// The error that an interrupted build ends with.
    pub fn cancelled() -> Self {
        BuildError {
            cancelled: true,
            ..BuildError::new("build cancelled")
        }
    }

    /// Adds advice, keeping earlier advice.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert(hint.into());
        self
    }

    /// Adds the place, keeping a more exact earlier one.
    pub fn at(mut self, file: &str, span: Span) -> Self {
        self.place.get_or_insert((file.to_owned(), span.start));
        self
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((file, at)) = &self.place {
            write!(f, "{file}:{}:{}: ", at.line, at.column)?;
        }
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for BuildError {}

/// Whether a full disk or quota is at the bottom of an error.
fn no_space(error: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    let mut next = Some(error);
    while let Some(e) = next {
        let io = e.downcast_ref::<std::io::Error>().map(|e| e.kind());
        let errno = e
            .downcast_ref::<rustix::io::Errno>()
            .map(|e| std::io::Error::from(*e).kind());
        if matches!(io.or(errno), Some(StorageFull | QuotaExceeded)) {
            return true;
        }
        next = e.source();
    }
    false
}

impl From<kiln_dockerfile::ParseError> for BuildError {
    fn from(e: kiln_dockerfile::ParseError) -> Self {
        BuildError {
            hint: e.hint,
            ..BuildError::invalid(e.message)
        }
    }
}

/// What kind an error of another crate is.
trait HasKind {
    fn kind_of(&self) -> Kind {
        Kind::Other
    }
}

impl HasKind for std::io::Error {}

impl HasKind for kiln_runtime::RuntimeError {}

impl HasKind for kiln_dockerfile::ExpandError {
    fn kind_of(&self) -> Kind {
        Kind::Invalid
    }
}

impl HasKind for kiln_store::StoreError {
    fn kind_of(&self) -> Kind {
        use kiln_store::StoreError as E;
        match self {
            E::NotFound { .. } | E::NoContainer { .. } | E::NoVolume { .. } => Kind::NotFound,
            E::Tagged { .. }
            | E::InUse { .. }
            | E::ContainerName { .. }
            | E::VolumeInUse { .. } => Kind::Conflict,
            E::Ambiguous { .. }
            | E::AmbiguousContainer { .. }
            | E::Config(_)
            | E::InvalidTag(_) => Kind::Invalid,
            _ => Kind::Other,
        }
    }
}

impl HasKind for kiln_oci::OciError {
    fn kind_of(&self) -> Kind {
        use kiln_oci::OciError as E;
        match self {
            E::Io { .. } | E::Damaged { .. } => Kind::Other,
            _ => Kind::Invalid,
        }
    }
}

macro_rules! from_error {
    ($($t:ty),*) => {$(
        impl From<$t> for BuildError {
            fn from(e: $t) -> Self {
                BuildError {
                    disk_full: no_space(&e),
                    kind: e.kind_of(),
                    ..BuildError::new(e.to_string())
                }
            }
        }
    )*};
}
from_error!(
    std::io::Error,
    kiln_store::StoreError,
    kiln_oci::OciError,
    kiln_runtime::RuntimeError,
    kiln_dockerfile::ExpandError
);

/// Adds the path to an I/O error.
pub(crate) trait IoContext<T> {
    /// Names what was being done and to which path.
    fn context(self, doing: &str, path: impl AsRef<std::path::Path>) -> Result<T, BuildError>;
}

impl<T, E: std::error::Error + 'static> IoContext<T> for Result<T, E> {
    fn context(self, doing: &str, path: impl AsRef<std::path::Path>) -> Result<T, BuildError> {
        self.map_err(|e| {
            let path = path.as_ref().display();
            BuildError::caused(format_args!("{doing} {path}"), &e)
        })
    }
}
