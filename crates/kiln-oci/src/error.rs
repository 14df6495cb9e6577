//! What can be wrong with an image or a part of one.

use std::io;

/// A name, config, layer or archive that can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OciError {
    /// A digest that isn't `sha256:` and 64 lower-case hexadecimal digits.
    #[error("invalid digest {0:?}: expected sha256: and 64 lower-case hexadecimal digits")]
    Digest(String),
    /// A name that breaks the grammar of references.
    #[error("invalid reference format: {text:?}: {why}")]
    Reference {
        /// The name as given.
        text: String,
        /// The rule it breaks.
        why: &'static str,
    },
    /// A platform that isn't `os/architecture[/variant]`.
    #[error("invalid platform {0:?}: expected OS/ARCH or OS/ARCH/VARIANT, like linux/amd64")]
    Platform(String),
    /// A config that isn't one.
    #[error("invalid image config: {0}")]
    Config(#[source] serde_json::Error),
    /// An entry of a layer's tar that must not be unpacked.
    #[error("layer entry {name:?}: {why}")]
    Entry {
        /// The entry's name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// An archive of images that holds none, or only half of one.
    #[error("not an archive of images: {0}")]
    Archive(String),
    /// A tar that breaks off or isn't one.
    #[error("broken tar archive: {}", shown(.0))]
    Tar(#[source] io::Error),
    /// A layer that is larger than it may be.
    #[error("layer refused: {0}")]
    Limit(String),
    /// A layer's directory no longer holds what its digest was taken of.
    #[error("layer {expected} is damaged in the store: its files now give {found}")]
    Damaged {
        /// The diff ID it is stored under.
        expected: crate::Digest,
        /// The diff ID of what is there.
        found: crate::Digest,
    },
    /// Reading or writing failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the path.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
}

/// What the tar reader says quotes the archive's bytes: control characters don't belong on a
/// terminal.
fn shown(e: &io::Error) -> String {
    let text = e.to_string();
    let short: String = text.chars().take(300).collect();
    short.escape_debug().to_string().replace("\\\"", "\"")
}

impl OciError {
    /// Wraps an I/O error; `what` reads like "reading etc/passwd".
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> OciError {
        let what = what.into();
        move |source| OciError::Io { what, source }
    }
}
