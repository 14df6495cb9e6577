//! A tar into a directory, entry by entry beneath its root.

use std::io::Read;
use std::os::fd::BorrowedFd;

use crate::OciError;

use super::entry::{Unpacker, unpack};

/// What becomes of the files `.wh.NAME` and `.wh..wh..opq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whiteouts {
    /// They are files like any other: the tar is no layer.
    Literal,
    /// They become overlayfs's marks of deletion.
    Overlay,
}

/// Who owns what is unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// Whom the tar says.
    Keep,
    /// Whoever unpacks it.
    Own,
}

/// How much a tar may unpack to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries.
    pub entries: u64,
    /// Bytes of all files, holes included.
    pub bytes: u64,
    /// Bytes of one name.
    pub name: usize,
}

impl Default for Limits {
    /// Ten million entries, 1 TiB, and the kernel's limit of a path.
    fn default() -> Limits {
        Limits {
            entries: 10_000_000,
            bytes: 1 << 40,
            name: 4096,
        }
    }
}

/// How a tar is unpacked.
#[derive(Clone, Copy, Debug)]
pub struct ApplyOptions {
    /// What deletions become.
    pub whiteouts: Whiteouts,
    /// Where to stop.
    pub limits: Limits,
    /// Whose the files are.
    pub ids: Ids,
}

/// What was unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Entries of the tar.
    pub entries: u64,
    /// Bytes of its files.
    pub bytes: u64,
    /// Bytes of its links' targets.
    pub link_bytes: u64,
    /// Devices that could not be made, which takes root: left out, as docker does.
    pub devices_skipped: u64,
}

/// Unpacks a tar into `dir`.
///
/// Nothing outside `dir` is touched, whatever links it or the tar holds. What is there is replaced
/// by what the tar has, except that a directory keeps its content where the tar has one too. On
/// an error the entries before it remain.
pub fn apply(
    tar: impl Read,
    dir: BorrowedFd<'_>,
    options: &ApplyOptions,
) -> Result<Applied, OciError> {
    let mut unpacker = Unpacker::new(dir, options)?;
    unpack(tar, &mut unpacker)?;
    Ok(unpacker.finish())
}
