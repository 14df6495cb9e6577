//! SSH agents for steps: a socket in the step's directory, whose requests go to the user's agent.
//!
//! Only what a client needs passes: the list of keys, and signatures. A step can't add keys, remove
//! or lock them (BuildKit's rule).

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::JoinHandle;

use kiln_dockerfile::SshMount;
use kiln_runtime::detach;
use kiln_tree::Root;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::error::{BuildError, IoContext};

/// The longest message of OpenSSH's agent.
const MAX_MESSAGE: usize = 256 << 10;
const REQUEST_IDENTITIES: u8 = 11;
const SIGN_REQUEST: u8 = 13;
/// `SSH_AGENT_FAILURE` with its length.
const FAILURE: [u8; 5] = [0, 0, 0, 1, 5];

/// A socket that is served until the value is dropped.
pub struct Agent {
    stop: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Agent {
    fn drop(&mut self) {
        // The thread sees the other end close.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Agent {
    /// Serves a new socket in `dir`, an empty directory that is made; gives its mount.
    pub fn serve(agent: &Path, m: &SshMount, dir: &Path) -> Result<(Agent, OwnedFd), BuildError> {
        std::fs::create_dir_all(dir).context("creating", dir)?;
        let root = Root::open(dir).context("opening", dir)?;
        // A name of any directory may be too long for a socket.
        let name = format!("/proc/self/fd/{}/agent", root.as_fd().as_raw_fd());
        let listener = UnixListener::bind(&name).context("making a socket in", dir)?;
        let look = &m.look;
        let mode = PermissionsExt::from_mode(look.mode.unwrap_or(0o600));
        std::fs::set_permissions(&name, mode).context("setting the mode in", dir)?;
        let (uid, gid) = (look.uid.unwrap_or(0), look.gid.unwrap_or(0));
        kiln_tree::set_owner(root.as_fd(), "agent".as_ref(), uid, gid)
            .context("setting the owner in", dir)?;
        let socket = root
            .open_at(Path::new("agent"), OFlags::PATH | OFlags::NOFOLLOW)
            .context("opening", dir)?;
        let mount = detach(socket.as_fd())?;
        let (stopped, stop) = pipe_with(PipeFlags::CLOEXEC).context("making a pipe for", dir)?;
        let agent = agent.to_owned();
        let thread = std::thread::spawn(move || accept_all(&listener, &stopped, &agent));
        let served = Agent {
            stop: Some(stop),
            thread: Some(thread),
        };
        Ok((served, mount))
    }
}

fn accept_all(listener: &UnixListener, stopped: &OwnedFd, agent: &Path) {
    loop {
        let mut fds = [
            PollFd::new(listener, PollFlags::IN),
            PollFd::new(stopped, PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
            Ok(_) if !fds[1].revents().is_empty() => return,
            Ok(_) => {}
        }
        let Ok((client, _)) = listener.accept() else {
            continue;
        };
        let agent = agent.to_owned();
        // Ends with the client, which ends with the step.
        std::thread::spawn(move || {
            let _ = UnixStream::connect(agent).and_then(|agent| relay(client, agent));
        });
    }
}

/// Answers a client's requests until it closes.
fn relay(mut client: UnixStream, mut agent: UnixStream) -> io::Result<()> {
    while let Some(request) = message(&mut client)? {
        match request.get(4) {
            Some(&(REQUEST_IDENTITIES | SIGN_REQUEST)) => {
                agent.write_all(&request)?;
                match message(&mut agent)? {
                    Some(answer) => client.write_all(&answer)?,
                    None => return Ok(()),
                }
            }
            _ => client.write_all(&FAILURE)?,
        }
    }
    Ok(())
}

/// One message with its length; nothing at the end.
fn message(from: &mut UnixStream) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let size = u32::from_be_bytes(length) as usize;
    if size > MAX_MESSAGE {
        return Err(io::Error::other("the message is too long"));
    }
    let mut whole = length.to_vec();
    whole.resize(4 + size, 0);
    from.read_exact(&mut whole[4..])?;
    Ok(Some(whole))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn framed(body: &[u8]) -> Vec<u8> {
        let mut out = (body.len() as u32).to_be_bytes().to_vec();
        out.extend(body);
        out
    }

    #[test]
    fn only_lists_and_signatures_pass() {
        let (mut client, near) = UnixStream::pair().unwrap();
        let (far, mut agent) = UnixStream::pair().unwrap();
        let relay = std::thread::spawn(move || relay(near, far));
        // Add a key, remove all, lock, an extension, nothing.
        for refused in [&[17, 1, 2][..], &[19], &[22, 0], &[27, 0], &[]] {
            client.write_all(&framed(refused)).unwrap();
            assert_eq!(message(&mut client).unwrap().unwrap(), FAILURE);
        }
        for passed in [&[11][..], &[13, 9, 9]] {
            client.write_all(&framed(passed)).unwrap();
            assert_eq!(message(&mut agent).unwrap().unwrap(), framed(passed));
            agent.write_all(&framed(b"answer")).unwrap();
            assert_eq!(message(&mut client).unwrap().unwrap(), framed(b"answer"));
        }
        client.write_all(&[0xff; 4]).unwrap();
        assert!(relay.join().unwrap().is_err(), "a length beyond all bounds");
    }
}
