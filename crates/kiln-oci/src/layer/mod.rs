//! Layers (OCI image spec, `layer.md`): a directory as a tar and back.
//!
//! In a directory, what a layer deletes is marked as overlayfs marks it: a character device 0:0
//! for a deleted name, the attribute `overlay.opaque` for a directory that hides all below it. In
//! a tar these are the files `.wh.NAME` and `.wh..wh..opq`.

mod apply;
mod compress;
mod entry;
mod pack;
mod pax;
mod recipe;
mod times;
mod write;

pub use apply::{Applied, ApplyOptions, Ids, Limits, Whiteouts, apply};
pub use compress::{decompress, decompress_bounded, looks_like_tar};
pub use pack::Packer;
pub use recipe::{apply_layer, replay};
pub use times::clamp_times;
pub use write::{Written, write_dir};

/// Before the name of a deleted file.
const WHITEOUT: &[u8] = b".wh.";
/// In a directory that hides everything below it.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// The attribute of such a directory, by who mounted the overlay: root, or a user namespace.
const OPAQUE_XATTRS: [&str; 2] = ["trusted.overlay.opaque", "user.overlay.opaque"];
/// Where overlayfs keeps its own notes; no part of an image, and never taken from one.
const OVERLAY_XATTRS: [&str; 2] = ["trusted.overlay.", "user.overlay."];
/// How deep directories may lie in directories: a descriptor and a stack frame are needed for each.
const MAX_DEPTH: usize = 400;
const TOO_DEEP: &str = "more than 400 directories lie in one another";
/// PAX records of extended attributes.
const PAX_XATTR: &str = "SCHILY.xattr.";

/// Whether an extended attribute is part of an image.
fn carried(name: &[u8]) -> bool {
    name != b"security.selinux"
        && !OVERLAY_XATTRS
            .iter()
            .any(|p| name.starts_with(p.as_bytes()))
}

#[cfg(test)]
mod tests;
