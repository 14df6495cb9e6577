//! Images in archives: the docker-archive that `docker save` writes and `docker load` takes (moby
//! image spec v1.2, "Combined Image JSON + Filesystem Changeset Format"), and the OCI image layout
//! (OCI image spec, `image-layout.md`), as a directory or in a tar.

mod contents;
mod members;
mod write;

pub use contents::{StoredImage, StoredLayer, contents};
pub use members::Members;
pub use write::{ArchiveImage, ArchiveLayer, write_docker_archive, write_oci_archive};

#[cfg(test)]
mod tests;
