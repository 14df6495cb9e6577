//! Files of an ordinary owner shown as root's, as docker shows those of a context: an id-mapped
//! mount.

use std::io::{self, Read, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::process::{Command, Stdio};

use rustix::thread::UnshareFlags;

use crate::error::RuntimeError;
use crate::helper::WORD;
use crate::run::helper;
use crate::sys;
use crate::volumes::detach;

/// The helper's second argument that makes it hold a user namespace.
pub(crate) const HOLD: &str = "user-namespace";

/// As [`detach`], with that user and group in place of root, and root in theirs. Nothing where the
/// kernel or the file system can't, or the caller may not.
pub fn detach_as_root(fd: BorrowedFd, uid: u32, gid: u32) -> Result<Option<OwnedFd>, RuntimeError> {
    let mount = detach(fd)?;
    let mapped = user_namespace(uid, gid).and_then(|ns| sys::map_ids(&mount, ns));
    Ok(mapped.ok().map(|()| mount))
}

/// A user namespace in which the ids are swapped with 0. It is its descriptor's: the process it was
/// made with has ended.
fn user_namespace(uid: u32, gid: u32) -> io::Result<OwnedFd> {
    let mut child = Command::new(helper())
        .args([WORD, HOLD])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let result = (|| {
        let mut made = [0];
        let stdout = child.stdout.as_mut();
        stdout.map_or(Ok(()), |out| out.read_exact(&mut made))?;
        let proc = format!("/proc/{}", child.id());
        std::fs::write(format!("{proc}/uid_map"), swapped(uid))?;
        std::fs::write(format!("{proc}/gid_map"), swapped(gid))?;
        Ok(std::fs::File::open(format!("{proc}/ns/user"))?.into())
    })();
    drop(child.stdin.take());
    child.wait()?;
    result
}

/// All ids as they are, but for 0 and `id`, which stand for one another.
fn swapped(id: u32) -> String {
    const ALL: u32 = u32::MAX;
    let ranges = match id {
        0 => vec![(0, 0, ALL)],
        _ => vec![
            (0, id, 1),
            (1, 1, id - 1),
            (id, 0, 1),
            (id.saturating_add(1), id.saturating_add(1), ALL - id - 1),
        ],
    };
    let lines = ranges.into_iter().filter(|(_, _, count)| *count > 0);
    let lines = lines.map(|(inside, outside, count)| format!("{inside} {outside} {count}\n"));
    lines.collect()
}

/// The helper's part: makes the namespace, says so, and stays until its standard input ends.
pub(crate) fn hold() -> io::Result<()> {
    sys::unshare(UnshareFlags::NEWUSER)?;
    io::stdout().write_all(b".")?;
    io::stdout().flush()?;
    io::copy(&mut io::stdin(), &mut io::sink()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_whole() {
        assert_eq!(swapped(0), "0 0 4294967295\n");
        assert_eq!(swapped(1), "0 1 1\n1 0 1\n2 2 4294967293\n");
        assert_eq!(
            swapped(1000),
            "0 1000 1\n1 1 999\n1000 0 1\n1001 1001 4294966294\n"
        );
        let last = swapped(u32::MAX - 1);
        assert_eq!(last, "0 4294967294 1\n1 1 4294967293\n4294967294 0 1\n");
    }
}
