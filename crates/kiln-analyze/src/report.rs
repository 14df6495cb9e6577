//! The result, as plain data. Its JSON form is described in `docs/analyze.md` and only grows.

use kiln_oci::Digest;
use serde::Serialize;

/// All there is to say about an image. Layers are named by their number, from 1.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The version of this form: 1.
    pub version: u32,
    /// The image.
    pub image: ImageInfo,
    /// Bytes in all layers.
    pub bytes: u64,
    /// Bytes of those that the final tree shows.
    pub visible_bytes: u64,
    /// Bytes that it doesn't show.
    pub wasted_bytes: u64,
    /// Visible bytes by all bytes; 1 for an image without bytes.
    pub efficiency: f64,
    /// Regular files in the final tree.
    pub files: u64,
    /// Bytes stored again by another path or layer, visible or not.
    pub duplicate_bytes: u64,
    /// How the image came about, oldest first.
    pub steps: Vec<Step>,
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
    /// Files that layers hold and the final tree doesn't show, largest first.
    pub wasted: Vec<Wasted>,
    /// Contents stored several times, the most bytes first.
    pub duplicates: Vec<Duplicate>,
    /// Files that are hardly of use in an image, by what they are.
    pub leftovers: Vec<Leftover>,
    /// Files that run with another's rights.
    pub set_id: Vec<SpecialMode>,
    /// Files with capabilities.
    pub capabilities: Vec<Capable>,
    /// What everybody may write to.
    pub world_writable: Vec<Writable>,
    /// Files that look like secrets.
    pub secrets: Vec<Secret>,
    /// The largest files of the final tree.
    pub largest_files: Vec<Measure>,
    /// The largest directories of the final tree, with all in them.
    pub largest_directories: Vec<Measure>,
}

/// Which image it is.
#[derive(Clone, Debug, Serialize)]
pub struct ImageInfo {
    /// Its id.
    pub id: Digest,
    /// Its names.
    pub names: Vec<String>,
    /// What it runs on.
    pub platform: String,
    /// When it was made (RFC 3339); may be empty.
    pub created: String,
    /// The images of the store it is built upon, lowest first.
    pub bases: Vec<Base>,
}

/// An image that this one is built upon.
#[derive(Clone, Debug, Serialize)]
pub struct Base {
    /// Its name.
    pub name: String,
    /// How many of the layers, counted from below, are its.
    pub layers: usize,
}

/// One step of how an image came about.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// The instruction.
    pub instruction: String,
    /// The layer it made, if any.
    pub layer: Option<usize>,
    /// The bytes of that layer.
    pub bytes: u64,
    /// The files of that layer.
    pub files: u64,
}

/// A layer.
#[derive(Clone, Debug, Serialize)]
pub struct Layer {
    /// Its number.
    pub number: usize,
    /// The digest of its tar.
    pub diff_id: Digest,
    /// The instruction that made it, as far as the image's history tells.
    pub instruction: Option<String>,
    /// The image it came with, if the store has that.
    pub base: Option<String>,
    /// Bytes of its files and of links' targets.
    pub bytes: u64,
    /// Bytes of those that upper layers hide.
    pub wasted_bytes: u64,
    /// Its regular files, each of several hard links counted.
    pub files: u64,
    /// How many names it deletes.
    pub deletions: u64,
}

/// How something of a layer is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It is deleted.
    Deleted,
    /// Something else is at its path.
    Replaced,
    /// The same content is at its path once more: `chmod`, `chown` or `touch` copy a file.
    Copied,
    /// The deleting layer has the same content elsewhere.
    Moved,
}

/// A file that takes room and isn't seen.
#[derive(Clone, Debug, Serialize)]
pub struct Wasted {
    /// The file.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// The layer that has it.
    pub layer: usize,
    /// The layer that hides it.
    pub by: usize,
    /// In which way.
    pub how: How,
    /// Of a copied file, what is new: `mode`, `owner`, `time`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<&'static str>,
    /// Of a moved file, where it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// A content that is stored several times.
#[derive(Clone, Debug, Serialize)]
pub struct Duplicate {
    /// Its size.
    pub bytes: u64,
    /// The bytes of all copies but one.
    pub redundant_bytes: u64,
    /// Where it is.
    pub copies: Vec<Copied>,
}

/// One of several copies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Copied {
    /// The layer.
    pub layer: usize,
    /// The file.
    pub path: String,
    /// Whether the final tree has it.
    pub visible: bool,
}

/// Files of one sort that are hardly of use in an image.
#[derive(Clone, Debug, Serialize)]
pub struct Leftover {
    /// A short name that stays the same.
    pub id: &'static str,
    /// What they are.
    pub title: &'static str,
    /// What to do.
    pub advice: &'static str,
    /// Whether some images want them, so that the advice is a hint at most.
    pub minor: bool,
    /// Their bytes in all layers.
    pub bytes: u64,
    /// How many regular files they are.
    pub files: u64,
    /// The same by layer.
    pub layers: Vec<Share>,
    /// The directories or files with most of the bytes.
    pub paths: Vec<Measure>,
}

/// A layer's share in something.
#[derive(Clone, Debug, Serialize)]
pub struct Share {
    /// The layer.
    pub layer: usize,
    /// The bytes.
    pub bytes: u64,
    /// The bytes of those that upper layers hide: they count as wasted, too.
    pub wasted_bytes: u64,
    /// Regular files.
    pub files: u64,
}

/// A path and its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Measure {
    /// The path.
    pub path: String,
    /// The bytes at or below it.
    pub bytes: u64,
    /// The layer of a file; nothing for a directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<usize>,
}

/// A set-uid or set-gid file.
#[derive(Clone, Debug, Serialize)]
pub struct SpecialMode {
    /// The file.
    pub path: String,
    /// Its mode, in octal.
    pub mode: String,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// The layer that has it.
    pub layer: usize,
}

/// A file with capabilities.
#[derive(Clone, Debug, Serialize)]
pub struct Capable {
    /// The file.
    pub path: String,
    /// The capabilities, as `getcap` writes them.
    pub capabilities: String,
    /// The layer that has it.
    pub layer: usize,
}

/// Something that everybody may write to.
#[derive(Clone, Debug, Serialize)]
pub struct Writable {
    /// The path.
    pub path: String,
    /// Whether it is a directory (without the sticky bit).
    pub directory: bool,
    /// Its mode, in octal.
    pub mode: String,
    /// The layer that has it.
    pub layer: usize,
}

/// A file that may be a secret.
#[derive(Clone, Debug, Serialize)]
pub struct Secret {
    /// The file.
    pub path: String,
    /// What it seems to be.
    pub kind: &'static str,
    /// The layer that has it.
    pub layer: usize,
    /// The layer that hides it: whoever has the image has the file all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden_by: Option<usize>,
}
