//! Modes of the final tree that give away more than most images want.

use kiln_tree::Kind;

use crate::capability::described;
use crate::report::{Capable, SpecialMode, Writable};
use crate::stack::Stack;
use crate::waste::path;

const SET_UID: u32 = 0o4000;
const SET_GID: u32 = 0o2000;
const STICKY: u32 = 0o1000;
const GROUP_EXECUTES: u32 = 0o010;
const OTHERS_WRITE: u32 = 0o002;

/// What was found, each list by path.
#[derive(Default)]
pub(crate) struct Exposed {
    pub set_id: Vec<SpecialMode>,
    pub capabilities: Vec<Capable>,
    pub world_writable: Vec<Writable>,
}

pub(crate) fn exposed(stack: &Stack) -> Exposed {
    let mut found = Exposed::default();
    for (at, entry) in stack.entries().filter(|(at, e)| stack.is_visible(*at, e)) {
        let layer = at.layer as usize + 1;
        let mode = || format!("{:04o}", entry.mode);
        let file = entry.kind == Kind::File;
        // Set-gid without execution was a kind of lock once; it gives nobody anything.
        let set_gid = entry.mode & SET_GID != 0 && entry.mode & GROUP_EXECUTES != 0;
        if file && (entry.mode & SET_UID != 0 || set_gid) {
            found.set_id.push(SpecialMode {
                path: path(stack, entry),
                mode: mode(),
                uid: entry.owner.0,
                gid: entry.owner.1,
                layer,
            });
        }
        if let Some(capability) = &entry.capability {
            found.capabilities.push(Capable {
                path: path(stack, entry),
                capabilities: described(capability),
                layer,
            });
        }
        let directory = entry.kind == Kind::Dir;
        let open = entry.mode & OTHERS_WRITE != 0;
        if open && (file || directory && entry.mode & STICKY == 0) {
            found.world_writable.push(Writable {
                path: path(stack, entry),
                directory,
                mode: mode(),
                layer,
            });
        }
    }
    found.set_id.sort_by(|a, b| a.path.cmp(&b.path));
    found.capabilities.sort_by(|a, b| a.path.cmp(&b.path));
    found.world_writable.sort_by(|a, b| a.path.cmp(&b.path));
    found
}
