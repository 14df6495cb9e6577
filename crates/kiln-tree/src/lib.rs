//! File tree access beneath a root, by file descriptor.
//!
//! A [`Root`] resolves every path inside its own directory: absolute symbolic
//! links and `..` never lead out of it. The free functions work on one entry of
//! an already opened directory and never follow a symbolic link.

mod copy;
mod dir;
mod error;
mod meta;
mod remove;
mod root;
mod xattr;

pub use copy::copy_data;
pub use dir::read_dir_sorted;
pub use error::{PathError, errno};
pub use meta::{Kind, Meta, meta_at, meta_of, set_owner};
pub use remove::remove_all;
pub use root::Root;
pub use xattr::{set_xattr, xattrs_of};
