//! The system calls no safe wrapper exists for.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// One instruction of a system call filter.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Insn {
    pub code: u16,
    pub jt: u8,
    pub jf: u8,
    pub k: u32,
}

#[repr(C)]
struct Program {
    len: u16,
    filter: *const Insn,
}

#[repr(C)]
#[derive(Default)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// `MOUNT_ATTR_RDONLY`.
pub(crate) const RDONLY: u64 = 1;

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Forks; `None` in the child. For processes with one thread only.
pub(crate) fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: both callers run before any other thread exists, so the child
    // finds no lock held by a thread that is not there.
    let pid = check(libc::c_long::from(unsafe { libc::fork() }))?;
    Ok(Pid::from_raw(pid as i32))
}

/// Has the program that `command` starts killed when this process dies.
pub(crate) fn die_with_this(command: &mut std::process::Command) {
    use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
    use std::os::unix::process::CommandExt;
    let this = getpid();
    let tie = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        match getppid() == Some(this) {
            true => Ok(()),
            false => Err(rustix::io::Errno::SRCH.into()),
        }
    };
    // SAFETY: the closure makes two system calls and allocates nothing, which
    // a child may do between fork and exec.
    unsafe { command.pre_exec(tie) };
}

/// Ends the process at once, without running exit handlers.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Leaves the given namespaces for new ones.
pub(crate) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: no caller passes `FILES`, the only flag with a precondition.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(io::Error::from)
}

/// Adds attributes to a mount, and to those below it when `recursive`.
pub(crate) fn mount_setattr(fd: impl AsFd, set: u64, recursive: bool) -> io::Result<()> {
    let attr = MountAttr {
        set,
        ..MountAttr::default()
    };
    set_attributes(fd, &attr, recursive)
}

/// Takes a mount, and those below it, out of its peer group: what is mounted on it later is seen
/// nowhere else.
pub(crate) fn make_private(fd: impl AsFd) -> io::Result<()> {
    let attr = MountAttr {
        propagation: libc::MS_PRIVATE,
        ..MountAttr::default()
    };
    set_attributes(fd, &attr, true)
}

/// Maps the ids of a detached mount, and of those below it, by a user namespace.
pub(crate) fn map_ids(fd: impl AsFd, user_namespace: impl AsFd) -> io::Result<()> {
    const IDMAP: u64 = 0x0010_0000;
    let attr = MountAttr {
        set: IDMAP,
        userns: user_namespace.as_fd().as_raw_fd() as u64,
        ..MountAttr::default()
    };
    set_attributes(fd, &attr, true)
}

fn set_attributes(fd: impl AsFd, attr: &MountAttr, recursive: bool) -> io::Result<()> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a C string and `attr` has the layout and the size
    // of the kernel's `struct mount_attr`; both outlive the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            attr as *const MountAttr,
            size_of::<MountAttr>(),
        )
    })
    .map(drop)
}

/// Replaces the program; returns only when that failed.
pub(crate) fn execve(path: &CStr, argv: &[CString], env: &[CString]) -> io::Error {
    let pointers = |list: &[CString]| {
        let mut out: Vec<*const libc::c_char> = list.iter().map(|s| s.as_ptr()).collect();
        out.push(std::ptr::null());
        out
    };
    let (argv, env) = (pointers(argv), pointers(env));
    // SAFETY: both arrays end with a null pointer and point to C strings
    // that outlive the call.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

/// Loads a system call filter without setting `no_new_privs`.
pub(crate) fn load_filter(program: &[Insn]) -> io::Result<()> {
    let program = Program {
        len: u16::try_from(program.len()).map_err(io::Error::other)?,
        filter: program.as_ptr(),
    };
    // SAFETY: `program` has the layout of `struct sock_fprog` and points to
    // `len` instructions that outlive the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &program as *const Program,
        )
    })
    .map(drop)
}

/// Removes a capability from the bounding set; `false` when there is none of
/// that number.
pub(crate) fn drop_bounding(cap: u32) -> io::Result<bool> {
    // SAFETY: this request takes plain numbers.
    match check(libc::c_long::from(unsafe {
        libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(cap), 0, 0, 0)
    })) {
        Ok(_) => Ok(true),
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Gives every signal its default action and unblocks all.
pub(crate) fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: SIG_DFL installs no handler; numbers that cannot be set
        // are refused by the kernel.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: the set is initialised by `sigemptyset` before it is used.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &set, std::ptr::null_mut());
    }
}

/// Closes every descriptor from `first` on.
///
/// Only for a process about to be replaced: owned descriptors that are
/// still around must be forgotten, not dropped.
pub(crate) fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: the caller uses none of these descriptors any more.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) }).map(drop)
}

/// Makes descriptor 3 a duplicate of `fd` that is closed on exec.
pub(crate) fn dup_to_3(fd: impl AsFd) -> io::Result<()> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: the caller owns nothing that is descriptor 3, or no longer
    // uses it.
    let done = if fd == 3 {
        unsafe { libc::fcntl(3, libc::F_SETFD, libc::FD_CLOEXEC) }
    } else {
        unsafe { libc::dup3(fd, 3, libc::O_CLOEXEC) }
    };
    check(libc::c_long::from(done)).map(drop)
}

/// Descriptor 3, after [`dup_to_3`].
pub(crate) fn fd3() -> BorrowedFd<'static> {
    // SAFETY: used only between `dup_to_3` and the end of the program.
    unsafe { BorrowedFd::borrow_raw(3) }
}

/// Leaves the caller's session keyring for a new, empty one.
pub(crate) fn new_keyring() {
    const JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: a null name asks for an anonymous keyring. Kernels without
    // keyrings refuse, and then there is nothing to leave.
    unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            JOIN_SESSION_KEYRING,
            std::ptr::null::<libc::c_char>(),
        )
    };
}

/// Brings the loopback interface up.
pub(crate) fn loopback_up(socket: impl AsFd) -> io::Result<()> {
    // SAFETY: `ifreq` is plain data, for which all zeroes is a valid value.
    let mut request = unsafe { std::mem::zeroed::<libc::ifreq>() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: the request is the `struct ifreq` that SIOCSIFFLAGS reads.
    check(libc::c_long::from(unsafe {
        libc::ioctl(
            socket.as_fd().as_raw_fd(),
            libc::SIOCSIFFLAGS as _,
            &request as *const libc::ifreq,
        )
    }))
    .map(drop)
}

/// Forks into a new pid namespace, of which the child is the first process;
/// `None` in the child. For processes with one thread only.
pub(crate) fn fork_into_new_pids() -> io::Result<Option<Pid>> {
    clone(libc::CLONE_NEWPID)
}

/// Forks a sibling: a child of this process's parent. `None` in the sibling.
/// For processes with one thread only.
pub(crate) fn fork_sibling() -> io::Result<Option<Pid>> {
    clone(libc::CLONE_PARENT)
}

fn clone(flags: libc::c_int) -> io::Result<Option<Pid>> {
    // SAFETY: without CLONE_VM and without a stack this is `fork`; the
    // process has one thread, so that the child finds no lock held. All
    // arguments after the flags are null on every architecture.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone, flags | libc::SIGCHLD, 0, 0, 0, 0) })?;
    Ok(Pid::from_raw(pid as i32))
}

/// Enters namespaces of the process that a descriptor stands for.
pub(crate) fn enter_namespaces(process: impl AsFd, flags: libc::c_int) -> io::Result<()> {
    // SAFETY: the call takes a descriptor and plain numbers.
    let done = unsafe { libc::setns(process.as_fd().as_raw_fd(), flags) };
    check(libc::c_long::from(done)).map(drop)
}

/// Blocks all signals, so that [`next_signal`] gets them.
pub(crate) fn block_signals() {
    // SAFETY: the set is initialised by `sigfillset` before it is used.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigfillset(&mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &set, std::ptr::null_mut());
    }
}

/// Waits for a signal, all of them being blocked.
pub(crate) fn next_signal() -> io::Result<i32> {
    // SAFETY: the set is initialised by `sigfillset`; no information is
    // asked for.
    let signal = unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigfillset(&mut set);
        libc::sigwaitinfo(&set, std::ptr::null_mut())
    };
    check(libc::c_long::from(signal)).map(|n| n as i32)
}
