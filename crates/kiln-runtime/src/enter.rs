//! Becoming root in a user namespace of one's own.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    DumpableBehavior, Pid, WaitOptions, getegid, geteuid, getpid, set_dumpable_behavior, waitpid,
};
use rustix::thread::{CapabilitySet, UnshareFlags, capabilities};

use crate::error::{RuntimeError, Step};
use crate::{subid, sys};

/// With which rights containers are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// The caller is root already.
    Root,
    /// A user namespace with the user's subordinate ids.
    SubIds,
    /// A user namespace in which only one id exists.
    SingleId,
}

/// Gets the rights to make containers. Must be called in `main` before any
/// thread exists.
///
/// Root stays as it is. Anybody else gets a user namespace in which they are
/// root, and a mount namespace; no process remains behind.
pub fn enter() -> Result<Mode, RuntimeError> {
    if geteuid().is_root() {
        let sets = capabilities(None).step("read capabilities")?;
        if !sets.effective.contains(CapabilitySet::SYS_ADMIN) {
            return Err(RuntimeError::Privilege(
                "running as root without CAP_SYS_ADMIN, as in an unprivileged container: \
                 run kiln as an ordinary user, or give the container --privileged"
                    .into(),
            ));
        }
        return Ok(Mode::Root);
    }
    let uid = geteuid().as_raw();
    let gid = getegid().as_raw();
    let maps = id_maps(uid, gid);
    let mut mapper = match &maps {
        Some(maps) => Some(Mapper::start(maps)?),
        None => None,
    };
    sys::unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS).map_err(refused)?;
    let mode = match mapper.take().map(Mapper::map) {
        Some(Ok(())) => Mode::SubIds,
        // A refused newuidmap left nothing written, so that one id can
        // still be mapped; after half a mapping this fails and says so.
        Some(Err(reason)) => {
            map_one(uid, gid).map_err(|e| {
                RuntimeError::Privilege(format!("{reason}; mapping a single id instead: {e}"))
            })?;
            Mode::SingleId
        }
        None => {
            map_one(uid, gid).map_err(refused)?;
            Mode::SingleId
        }
    };
    become_root()?;
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(|e| refused(e.into()))?;
    Ok(mode)
}

fn become_root() -> Result<(), RuntimeError> {
    let (gid, uid) = (rustix::thread::Gid::ROOT, rustix::thread::Uid::ROOT);
    rustix::thread::set_thread_res_gid(gid, gid, gid).step("become group 0")?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).step("become user 0")?;
    // Without this our own /proc/self would belong to nobody.
    set_dumpable_behavior(DumpableBehavior::Dumpable).step("set dumpable")
}

fn refused(e: io::Error) -> RuntimeError {
    let mut text = format!("cannot make a user namespace: {e}");
    for (file, bad, advice) in [
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "AppArmor restricts it: sysctl kernel.apparmor_restrict_unprivileged_userns=0, \
             or give kiln an AppArmor profile with `userns,`",
        ),
        (
            "/proc/sys/kernel/unprivileged_userns_clone",
            "0",
            "sysctl kernel.unprivileged_userns_clone=1 allows it",
        ),
        (
            "/proc/sys/user/max_user_namespaces",
            "0",
            "sysctl user.max_user_namespaces=15000 allows it",
        ),
    ] {
        if fs::read_to_string(file).is_ok_and(|value| value.trim() == bad) {
            text.push_str("; ");
            text.push_str(advice);
        }
    }
    text.push_str("; or run kiln as root");
    RuntimeError::Privilege(text)
}

fn map_one(uid: u32, gid: u32) -> io::Result<()> {
    fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1"))
}

/// The arguments for newuidmap and newgidmap; `None` without subordinate ids.
fn id_maps(uid: u32, gid: u32) -> Option<[(&'static str, Vec<String>); 2]> {
    let name = fs::read_to_string("/etc/passwd")
        .ok()
        .and_then(|text| subid::user_name(&text, uid))
        .or_else(|| std::env::var("USER").ok());
    let ranges = |file| {
        let text = fs::read_to_string(file).ok()?;
        let found = subid::ranges(&text, name.as_deref(), uid);
        (!found.is_empty() && found.len() < 300).then_some(found)
    };
    let uids = ranges("/etc/subuid")?;
    let gids = ranges("/etc/subgid")?;
    let there = |tool: &str| {
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
        std::env::split_paths(&path).any(|dir| dir.join(Path::new(tool)).exists())
    };
    (there("newuidmap") && there("newgidmap")).then(|| {
        [
            ("newgidmap", subid::arguments(gid, &gids)),
            ("newuidmap", subid::arguments(uid, &uids)),
        ]
    })
}

/// A child outside of the new user namespace that writes its maps: only
/// there do newuidmap and newgidmap have their rights.
struct Mapper {
    child: Pid,
    go: OwnedFd,
    answer: OwnedFd,
}

impl Mapper {
    fn start(maps: &[(&str, Vec<String>)]) -> Result<Mapper, RuntimeError> {
        let parent = getpid().as_raw_nonzero().to_string();
        let (wait, go) = pipe_with(PipeFlags::CLOEXEC).step("make a pipe")?;
        let (answer, reply) = pipe_with(PipeFlags::CLOEXEC).step("make a pipe")?;
        if let Some(child) = sys::fork().step("fork")? {
            return Ok(Mapper { child, go, answer });
        }
        drop((go, answer));
        let mut byte = [0];
        let told = fs::File::from(wait).read_exact(&mut byte);
        let text = match told {
            Ok(()) => write_maps(&parent, maps),
            Err(_) => String::new(),
        };
        let _ = fs::File::from(reply).write_all(text.as_bytes());
        sys::exit_now(0)
    }

    /// Has the maps written; the error is what the tools said.
    fn map(self) -> Result<(), String> {
        let mut text = String::new();
        let done = fs::File::from(self.go)
            .write_all(b"g")
            .and_then(|()| fs::File::from(self.answer).read_to_string(&mut text));
        let _ = waitpid(Some(self.child), WaitOptions::empty());
        match done {
            Err(e) => Err(e.to_string()),
            Ok(_) if text == "ok" => Ok(()),
            Ok(_) => Err(text),
        }
    }
}

fn write_maps(pid: &str, maps: &[(&str, Vec<String>)]) -> String {
    for (tool, arguments) in maps {
        let output = Command::new(tool)
            .arg(pid)
            .args(arguments)
            .stdin(Stdio::null())
            .output();
        match output {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                return format!("{tool}: {}", said.trim());
            }
            Err(e) => return format!("{tool}: {e}"),
        }
    }
    "ok".into()
}
