//! The first process of the new namespaces: everything between the fork and
//! the command.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{CWD, FileType, Mode, OFlags, fchown, fstat, openat};
use rustix::process::{Signal, set_parent_process_death_signal, setsid, umask};

use crate::error::{RuntimeError, Step};
use crate::process::{Process, Spec};
use crate::wire::{Report, send_report};
use crate::{caps, confine, exec, mounts, rootfs, sys};

/// Becomes the command, or reports why not.
pub(crate) fn main(
    spec: &Spec,
    root: OwnedFd,
    volumes: Vec<OwnedFd>,
    stdin: Option<OwnedFd>,
    caller: &OwnedFd,
) -> ! {
    if let Err(e) = prepare(spec, root, volumes, stdin, caller) {
        send_report(caller, &Report::Failed(e));
        sys::exit_now(1);
    }
    // From here on only descriptors 0 to 3 are open.
    let error = match confine_and_exec(&spec.process) {
        Ok(never) => match never {},
        Err(e) => e,
    };
    send_report(sys::fd3(), &Report::Failed(error));
    sys::exit_now(1)
}

fn prepare(
    spec: &Spec,
    root: OwnedFd,
    volumes: Vec<OwnedFd>,
    stdin: Option<OwnedFd>,
    caller: &OwnedFd,
) -> Result<(), RuntimeError> {
    let p = &spec.process;
    setsid().step("make a session")?;
    sys::new_keyring();
    rustix::system::sethostname(p.hostname.as_bytes()).step("set the host name")?;
    rootfs::enter(spec, root, volumes)?;
    set_stdin(stdin).step("set up the standard input")?;
    own_stdio(p.uid);
    umask(Mode::from_raw_mode(0o022));
    sys::dup_to_3(caller).step("set up descriptors")?;
    sys::close_from(4).step("close descriptors")
}

/// A descriptor left over from the caller, or a link to one in the root,
/// must not become the way out of it: what cannot be named from the new root
/// is refused.
pub(crate) fn change_dir(cwd: &str) -> Result<(), RuntimeError> {
    let step = || format!("change to the working directory {cwd:?}");
    rustix::process::chdir(cwd).step(step())?;
    let outside = || io::Error::other("it is outside of the root file system");
    let path = rustix::process::getcwd(Vec::new()).step(step())?;
    let path = path.as_bytes();
    if !path.starts_with(b"/") || path.starts_with(b"/proc/") {
        return Err(outside()).step(step());
    }
    Ok(())
}

pub(crate) fn set_stdin(stdin: Option<OwnedFd>) -> io::Result<()> {
    let stdin = match stdin {
        Some(fd) => fd,
        None => {
            let null = openat(CWD, "/dev/null", OFlags::RDONLY, Mode::empty())?;
            if !mounts::is_device(&null, (1, 3))? {
                return Err(io::Error::other("/dev/null is not the null device"));
            }
            null
        }
    };
    Ok(rustix::stdio::dup2_stdin(stdin)?)
}

/// Lets the user reopen what it got, as in `echo x > /dev/stderr`.
pub(crate) fn own_stdio(uid: u32) {
    if uid == 0 {
        return;
    }
    let uid = Some(rustix::fs::Uid::from_raw(uid));
    for fd in [
        rustix::stdio::stdin(),
        rustix::stdio::stdout(),
        rustix::stdio::stderr(),
    ] {
        let device = fstat(fd).map(|stat| FileType::from_raw_mode(stat.st_mode));
        if device != Ok(FileType::CharacterDevice) {
            let _ = fchown(fd, uid, None);
        }
    }
}

fn confine_and_exec(p: &Process) -> Result<std::convert::Infallible, RuntimeError> {
    change_dir(&p.cwd)?;
    confine::drop_rights(p, caps::DEFAULT)?;
    sys::reset_signals();
    // A change of identity clears this, so it comes last.
    set_parent_process_death_signal(Some(Signal::KILL)).step("set the death signal")?;
    Err(exec::exec(p))
}

/// Whether the groups of a process cannot be set in this user namespace.
pub(crate) fn groups_denied() -> bool {
    File::open("/proc/self/setgroups")
        .and_then(io::read_to_string)
        .is_ok_and(|text| text.trim() == "deny")
}
