//! What all requests share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use kiln_runtime::{Cancel, Mode};
use kiln_store::Store;
use tokio::sync::Semaphore;

use crate::events::Bus;
use crate::live::Live;

/// How many builds run at once; more wait for their turn.
const BUILDS: usize = 8;

/// The server's state; all clones are the same.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// See [`App`].
pub struct Shared {
    /// The images and the cache.
    pub store: Store,
    /// The version of Kiln.
    pub version: String,
    /// With which rights containers are made.
    pub mode: Mode,
    /// What has happened.
    pub events: Bus,
    /// What runs in containers.
    pub live: Live,
    /// One permit a build.
    pub builds: Arc<Semaphore>,
    work: Mutex<Work>,
}

#[derive(Default)]
struct Work {
    next: u64,
    running: HashMap<u64, Cancel>,
    /// Builds that their clients gave a name.
    named: HashMap<String, Cancel>,
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    /// Nothing runs yet.
    pub fn new(store: Store, version: String, mode: Mode) -> App {
        App(Arc::new(Shared {
            store,
            version,
            mode,
            events: Bus::default(),
            live: Live::default(),
            builds: Arc::new(Semaphore::new(BUILDS)),
            work: Mutex::default(),
        }))
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Something that runs until this value is dropped.
    pub fn running(&self) -> Running {
        let cancel = Cancel::new();
        let mut work = self.work();
        work.next += 1;
        let id = work.next;
        work.running.insert(id, cancel.clone());
        Running {
            app: self.clone(),
            id,
            cancel,
        }
    }

    /// Cancels all that runs.
    pub fn cancel_all(&self) {
        for cancel in self.work().running.values() {
            cancel.cancel();
        }
    }

    /// Gives a build a name, by which it can be cancelled until the value is dropped.
    pub fn name_build(&self, name: &str, cancel: &Cancel) -> Named {
        self.work().named.insert(name.to_owned(), cancel.clone());
        Named {
            app: self.clone(),
            name: name.to_owned(),
        }
    }

    /// Cancels the build of that name, if there is one.
    pub fn cancel_build(&self, name: &str) {
        if let Some(cancel) = self.work().named.get(name) {
            cancel.cancel();
        }
    }
}

/// Work for a client; when nobody waits for it any more it is cancelled.
pub struct Running {
    app: App,
    id: u64,
    cancel: Cancel,
}

impl Running {
    /// What cancels it.
    pub fn cancel(&self) -> Cancel {
        self.cancel.clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancel.cancel();
        self.app.work().running.remove(&self.id);
    }
}

/// A build that has a name.
pub struct Named {
    app: App,
    name: String,
}

impl Drop for Named {
    fn drop(&mut self) {
        self.app.work().named.remove(&self.name);
    }
}
