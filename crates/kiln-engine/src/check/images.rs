//! Base images that are in the store.

use std::cell::RefCell;
use std::collections::HashMap;

use kiln_check::{ImageFacts, Images};
use kiln_oci::ImageConfig;
use kiln_store::Store;

use crate::images::find;

/// Looks base images up in a store; asks once for each.
pub struct StoreImages<'a> {
    store: &'a Store,
    known: RefCell<HashMap<String, Option<ImageFacts>>>,
}

impl StoreImages<'_> {
    /// Of a store.
    pub fn new(store: &Store) -> StoreImages<'_> {
        StoreImages {
            store,
            known: RefCell::default(),
        }
    }
}

impl Images for StoreImages<'_> {
    fn image(&self, name: &str) -> Option<ImageFacts> {
        if let Some(known) = self.known.borrow().get(name) {
            return known.clone();
        }
        let found = find(self.store, name)
            .ok()
            .map(|(record, config)| facts(&config, record.size));
        self.known
            .borrow_mut()
            .insert(name.to_owned(), found.clone());
        found
    }
}

pub(super) fn facts(image: &ImageConfig, bytes: u64) -> ImageFacts {
    let config = &image.config;
    ImageFacts {
        bytes,
        env: config.env.clone(),
        user: config.user.clone(),
        cmd: config.cmd.as_ref().is_some_and(|c| !c.is_empty()),
        entrypoint: config.entrypoint.as_ref().is_some_and(|c| !c.is_empty()),
        healthcheck: config.healthcheck.is_some(),
        workdir: config.working_dir.clone(),
        on_build: config.on_build.clone(),
    }
}
