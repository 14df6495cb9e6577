//! What the server knows of containers that run: who waits, who is attached, what runs in them.

use std::collections::{HashMap, HashSet};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use kiln_engine::containers::ExecRequest;
use kiln_runtime::monitor::{Attach, Connection};

/// Somebody who wants to be attached when a container starts.
pub type Attaching = (Attach, Sender<Arc<Connection>>);

/// How an exec is.
#[derive(Clone, Debug, Default)]
pub struct Exec {
    /// The container's id.
    pub container: String,
    /// What is to run.
    pub request: ExecRequest,
    /// Input is passed on.
    pub stdin: bool,
    /// It was started.
    pub started: bool,
    /// How it ended.
    pub code: Option<i32>,
    /// Its terminal.
    pub terminal: Option<Arc<std::os::fd::OwnedFd>>,
}

/// See the module.
#[derive(Default)]
pub struct Live(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// Containers whose end a thread of this server will hear of.
    followed: HashSet<String>,
    waiting: HashMap<String, Vec<Sender<i32>>>,
    attaching: HashMap<String, Vec<Attaching>>,
    connections: HashMap<String, Weak<Connection>>,
    execs: HashMap<String, Exec>,
}

impl Live {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// A container was started here; its end will be told.
    pub fn follow(&self, id: &str, connection: &Arc<Connection>) {
        self.inner().followed.insert(id.to_owned());
        self.note_connection(id, connection);
    }

    /// Whether the container's end will be told.
    pub fn follows(&self, id: &str) -> bool {
        self.inner().followed.contains(id)
    }

    /// A connection by which the container's terminal can be given its size.
    pub fn note_connection(&self, id: &str, connection: &Arc<Connection>) {
        let weak = Arc::downgrade(connection);
        self.inner().connections.insert(id.to_owned(), weak);
    }

    /// See [`Live::note_connection`].
    pub fn connection(&self, id: &str) -> Option<Arc<Connection>> {
        self.inner().connections.get(id).and_then(Weak::upgrade)
    }

    /// A container has ended.
    pub fn ended(&self, id: &str, code: i32) {
        let mut inner = self.inner();
        inner.followed.remove(id);
        inner.connections.remove(id);
        inner.execs.retain(|_, e| e.container != id);
        for waiting in inner.waiting.remove(id).into_iter().flatten() {
            let _ = waiting.send(code);
        }
    }

    /// Tells of the container's next end.
    pub fn await_end(&self, id: &str) -> Receiver<i32> {
        let (sender, receiver) = channel();
        let mut inner = self.inner();
        let waiting = inner.waiting.entry(id.to_owned()).or_default();
        waiting.push(sender);
        receiver
    }

    /// Attaches as soon as the container starts.
    pub fn attach_later(&self, id: &str, attach: Attach) -> Receiver<Arc<Connection>> {
        let (sender, receiver) = channel();
        let mut inner = self.inner();
        let attaching = inner.attaching.entry(id.to_owned()).or_default();
        attaching.push((attach, sender));
        receiver
    }

    /// Those who are to be attached now.
    pub fn take_attaching(&self, id: &str) -> Vec<Attaching> {
        self.inner().attaching.remove(id).unwrap_or_default()
    }

    /// Remembers an exec.
    pub fn put_exec(&self, id: &str, exec: Exec) {
        self.inner().execs.insert(id.to_owned(), exec);
    }

    /// An exec.
    pub fn exec(&self, id: &str) -> Option<Exec> {
        self.inner().execs.get(id).cloned()
    }

    /// Changes an exec.
    pub fn change_exec(&self, id: &str, change: impl FnOnce(&mut Exec)) {
        if let Some(exec) = self.inner().execs.get_mut(id) {
            change(exec);
        }
    }
}
