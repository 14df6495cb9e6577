//! The standard streams of a container.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::pipe::{PipeFlags, pipe_with};

use crate::container::spec::ContainerSpec;
use crate::process::Stream;

/// The container's standard streams, the monitor's side.
#[derive(Default)]
pub(super) struct Streams {
    pub stdin: Option<OwnedFd>,
    pub stdout: Option<OwnedFd>,
    pub stderr: Option<OwnedFd>,
    pub terminal: Option<OwnedFd>,
}

/// The container's side: standard input, which may be nothing, and outputs.
pub(super) type Theirs = Option<(Option<OwnedFd>, [OwnedFd; 2])>;

impl Streams {
    pub fn make(spec: &ContainerSpec) -> std::io::Result<(Streams, Theirs)> {
        if spec.tty {
            return Ok((Streams::default(), None));
        }
        let mut streams = Streams::default();
        let stdin = match spec.open_stdin {
            true => {
                let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC)?;
                rustix::io::ioctl_fionbio(&ours, true)?;
                streams.stdin = Some(ours);
                Some(theirs)
            }
            false => None,
        };
        let output = || -> std::io::Result<(OwnedFd, OwnedFd)> {
            let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
            rustix::io::ioctl_fionbio(&ours, true)?;
            Ok((ours, theirs))
        };
        let (stdout, their_stdout) = output()?;
        let (stderr, their_stderr) = output()?;
        streams.stdout = Some(stdout);
        streams.stderr = Some(stderr);
        Ok((streams, Some((stdin, [their_stdout, their_stderr]))))
    }

    pub fn set_terminal(&mut self, master: OwnedFd) -> std::io::Result<()> {
        rustix::io::ioctl_fionbio(&master, true)?;
        self.terminal = Some(master);
        Ok(())
    }

    pub fn input(&self) -> Option<BorrowedFd<'_>> {
        self.terminal
            .as_ref()
            .or(self.stdin.as_ref())
            .map(|fd| fd.as_fd())
    }

    pub fn outputs(&self) -> [(Stream, Option<BorrowedFd<'_>>); 2] {
        let stdout = self.terminal.as_ref().or(self.stdout.as_ref());
        [
            (Stream::Stdout, stdout.map(|fd| fd.as_fd())),
            (Stream::Stderr, self.stderr.as_ref().map(|fd| fd.as_fd())),
        ]
    }
}
