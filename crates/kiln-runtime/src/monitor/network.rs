//! The program that connects a container to the network.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use rustix::fs::{AtFlags, MemfdFlags, memfd_create, unlinkat};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;

use crate::container::spec::UserNetwork;
use crate::error::{RuntimeError, Step};
use crate::sys;

/// A container that was connected. The program ends with this, and with the
/// monitor, however that ends.
pub(super) struct Joined {
    child: Child,
    _alive: OwnedFd,
}

impl Joined {
    /// Starts the program, and waits until it has done what it was asked.
    pub fn new(network: &UserNetwork, init: Pid, dir: &OwnedFd) -> Result<Joined, RuntimeError> {
        let name = network.program.display();
        let here = format!("/proc/self/fd/{}", dir.as_raw_fd());
        let _ = unlinkat(dir, network.socket.as_str(), AtFlags::empty());
        let (end, alive) = pipe_with(PipeFlags::CLOEXEC).step("make a pipe")?;
        let (ready, their_ready) = pipe_with(PipeFlags::CLOEXEC).step("make a pipe")?;
        let said = memfd_create("kiln-network", MemfdFlags::CLOEXEC).step("make a file")?;
        let mut said = File::from(said);
        let arguments = network
            .arguments
            .iter()
            .map(|a| a.replace("{pid}", &init.as_raw_nonzero().to_string()));
        let stdin = match network.takes_namespace {
            // A program without privileges may not open another process's.
            true => File::open(format!("/proc/{}/ns/net", init.as_raw_nonzero()))
                .step("open the network namespace")?
                .into(),
            false => end,
        };
        let mut command = Command::new(&network.program);
        command
            .args(arguments)
            // A socket's path is at most 107 bytes long.
            .current_dir(&here)
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::from(their_ready))
            .stderr(Stdio::from(said.try_clone().step("make a file")?));
        sys::die_with_this(&mut command);
        let spawned = command.spawn().step(format!("start {name}"));
        // It has the writing end of the pipe that is read from next.
        drop(command);
        let mut child = spawned?;
        let done = File::from(ready)
            .read_exact(&mut [0])
            .and_then(|()| ask(network, &here));
        if let Err(e) = done {
            let _ = child.kill();
            let _ = child.wait();
            let mut text = String::new();
            let _ = said.rewind().and_then(|()| said.read_to_string(&mut text));
            let complaint = network.complaints.iter().find(|(c, _)| text.contains(c));
            return Err(RuntimeError::Setup(
                match (e.get_ref().map(|e| e.is::<Refused>()), complaint) {
                    (Some(true), _) => e.to_string(),
                    (_, Some((_, meaning))) => meaning.clone(),
                    _ => format!("{name}: {e}: {}", text.trim()),
                },
            ));
        }
        Ok(Joined {
            child,
            _alive: alive,
        })
    }

    /// The program's process.
    pub fn id(&self) -> i32 {
        self.child.id() as i32
    }

    /// Ends it.
    pub fn end(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes the requests, each on a connection of its own.
fn ask(network: &UserNetwork, here: &str) -> io::Result<()> {
    for (what, request) in &network.requests {
        let mut stream = UnixStream::connect(format!("{here}/{}", network.socket))?;
        stream.write_all(request.as_bytes())?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        if !answer.contains("\"return\"") {
            return Err(io::Error::other(Refused(what.clone())));
        }
    }
    Ok(())
}

/// A request that can't be met; its text says which.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);
