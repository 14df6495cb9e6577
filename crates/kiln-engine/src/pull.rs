//! Base images from registries.

use kiln_build::{BuildError, Fetch};
use kiln_oci::{Platform, Reference};

/// Fetches nothing.
pub struct Offline;

impl Fetch for Offline {
    fn fetch(&self, name: &Reference, _: &Platform) -> Result<(), BuildError> {
        Err(
            BuildError::new("no registry can be reached by this version").hint(format!(
                "bring it in first, e.g. `kiln import rootfs.tar {name}`"
            )),
        )
    }
}
