//! What the command may do: Docker's default capabilities and system calls.

use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, set_capabilities,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use crate::error::{RuntimeError, Step};
use crate::init::groups_denied;
use crate::process::Process;
use crate::{seccomp, sys};

/// Becomes the user of the process and gives up everything it must not have:
/// all capabilities but `kept`.
pub(crate) fn drop_rights(p: &Process, kept: CapabilitySet) -> Result<(), RuntimeError> {
    for cap in 0..64 {
        if kept.bits() & (1 << cap) == 0 && !sys::drop_bounding(cap).step("drop capabilities")? {
            break;
        }
    }
    set_groups(&p.groups)?;
    let gid = gid(p.gid);
    set_thread_res_gid(gid, gid, gid).step(missing_id("group", p.gid))?;
    // The filter is loaded while that needs no `no_new_privs`, which would
    // break set-user-id programs.
    sys::load_filter(&seccomp::program(kept)).step("load the system call filter")?;
    let uid = uid(p.uid);
    set_thread_res_uid(uid, uid, uid).step(missing_id("user", p.uid))?;
    clear_ambient_capability_set().step("clear the ambient capabilities")?;
    let held = if p.uid == 0 {
        kept
    } else {
        CapabilitySet::empty()
    };
    set_capabilities(
        None,
        CapabilitySets {
            effective: held,
            permitted: held,
            inheritable: CapabilitySet::empty(),
        },
    )
    .step("set capabilities")
}

fn set_groups(groups: &[u32]) -> Result<(), RuntimeError> {
    let list: Vec<Gid> = groups.iter().map(|id| gid(*id)).collect();
    match set_thread_groups(&list) {
        // With a single id there are no groups to choose from.
        Err(rustix::io::Errno::PERM) if groups_denied() => Ok(()),
        result => result.step(format!("set the groups to {groups:?}")),
    }
}

fn missing_id(kind: &str, id: u32) -> String {
    format!(
        "become {kind} {id} (without root, ids other than 0 need entries in \
         /etc/subuid and /etc/subgid)"
    )
}

fn uid(raw: u32) -> Uid {
    Uid::from_raw(raw)
}

fn gid(raw: u32) -> Gid {
    Gid::from_raw(raw)
}
