//! The side of those who talk to a monitor, and the one who starts it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, send, socket_with,
};
use serde::{Deserialize, Serialize};

use super::clients::Attach;
use super::{MESSAGE, WORD};
use crate::cgroup::Usage;
use crate::container::spec::{ContainerSpec, ExecSpec};
use crate::error::{RuntimeError, Step};
use crate::process::Stream;
use crate::run::memory_file;
use crate::wire::{message_pair, receive_message, send_message};

/// What a monitor is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    Attach(Attach),
    Exec(Box<ExecSpec>),
    Signal(i32),
    Freeze,
    Thaw,
    /// Stopped as long as the connection lasts.
    Hold,
    Wait,
    Processes,
    Usage,
    Root,
}

/// What it says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Done,
    Started,
    Exited(i32),
    Failed(u8, String),
    Processes(Vec<i32>),
    Usage(Usage),
}

/// The first letters of messages.
pub(super) mod tag {
    /// To the monitor: a request as JSON.
    pub const REQUEST: u8 = b'q';
    /// Standard input.
    pub const INPUT: u8 = b'i';
    /// The end of it.
    pub const INPUT_END: u8 = b'e';
    /// The size of the terminal.
    pub const SIZE: u8 = b'w';
    /// From the monitor: an answer as JSON.
    pub const ANSWER: u8 = b'a';
    /// Standard output.
    pub const OUT: u8 = b'o';
    /// Standard error.
    pub const ERR: u8 = b'r';
}

/// All that a monitor is started with.
#[derive(Serialize, Deserialize)]
pub(super) struct Launch {
    pub spec: ContainerSpec,
    pub attach: Option<Attach>,
    pub after: String,
}

/// What [`start`] needs besides the container's description.
pub struct Control<'a> {
    /// The container's directory.
    pub dir: BorrowedFd<'a>,
    /// Its lock, held.
    pub lock: BorrowedFd<'a>,
    /// Its root file system: a writable detached mount.
    pub root: BorrowedFd<'a>,
    /// What the caller wants to be attached to from the beginning.
    pub attach: Option<Attach>,
    /// What the monitor hands on when the container has ended.
    pub after: String,
}

/// A connection to the monitor of a container.
pub struct Connection {
    socket: OwnedFd,
}

/// Something an attached container sends.
#[derive(Debug)]
pub enum Piece {
    /// Output.
    Output(Stream, Vec<u8>),
    /// The container, or the process, has ended with this code.
    Exited(i32),
    /// The monitor is gone.
    Gone,
}

/// A process that was started in a container.
pub struct Started {
    /// The connection, on which its end will be told.
    pub connection: Connection,
    /// Its terminal, if it has one.
    pub terminal: Option<OwnedFd>,
}

/// Starts a container and the monitor that stays with it. Returns when its
/// command has been executed.
pub fn start(spec: &ContainerSpec, control: &Control) -> Result<Connection, RuntimeError> {
    let launch = Launch {
        spec: spec.clone(),
        attach: control.attach.clone(),
        after: control.after.clone(),
    };
    let text = serde_json::to_vec(&launch).map_err(io::Error::from);
    let memory = text.and_then(|text| memory_file("kiln-container", &text));
    let memory = memory.step("write the specification")?;
    let (socket, theirs) = message_pair()?;
    let fds = [memory.as_fd(), control.dir, control.lock, control.root];
    send_message(&socket, b"f", &fds).step("send to the monitor")?;
    let mut child = Command::new(crate::run::helper())
        .arg(WORD)
        .current_dir("/")
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .step("start the monitor")?;
    let connection = Connection { socket };
    match connection.answer() {
        Ok((Answer::Started, _)) => Ok(connection),
        Ok(_) => Err(RuntimeError::Setup("the monitor talks nonsense".into())),
        Err(e) => {
            // It ends when it has cleaned up, which is worth waiting for.
            let _ = child.wait();
            Err(e)
        }
    }
}

impl Connection {
    /// Connects to the monitor of the container whose directory that is.
    pub fn open(dir: &Path) -> io::Result<Connection> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = openat(CWD, dir, flags, Mode::empty())?;
        // A socket's path is at most 107 bytes long.
        let path = format!("/proc/self/fd/{}/sock", dir.as_raw_fd());
        let socket = socket_with(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        connect(&socket, &SocketAddrUnix::new(path)?)?;
        Ok(Connection { socket })
    }

    /// To wait for what [`Connection::piece`] would return.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn ask(&self, request: &Request, fds: &[BorrowedFd]) -> Result<(), RuntimeError> {
        let mut message = vec![tag::REQUEST];
        serde_json::to_writer(&mut message, request)
            .map_err(io::Error::from)
            .step("write a request")?;
        if message.len() > MESSAGE {
            let what = "the command and its environment are too long";
            return Err(RuntimeError::Setup(what.into()));
        }
        send_message(&self.socket, &message, fds).step("talk to the container's monitor")
    }

    /// Waits for an answer; output is passed over.
    fn answer(&self) -> Result<(Answer, Option<OwnedFd>), RuntimeError> {
        loop {
            let mut buffer = vec![0; MESSAGE];
            let received = receive_message(&self.socket, &mut buffer);
            let (n, fds) = received.step("hear from the container's monitor")?;
            match &buffer[..n] {
                [] => {
                    return Err(Errno::CONNRESET).step("hear from the container's monitor");
                }
                [tag::ANSWER, text @ ..] => {
                    let answer = serde_json::from_slice(text).map_err(io::Error::from);
                    return match answer.step("understand the monitor")? {
                        Answer::Failed(kind, text) => Err(RuntimeError::from_kind(kind, text)),
                        answer => Ok((answer, fds.into_iter().next())),
                    };
                }
                _ => {}
            }
        }
    }

    fn simple(&self, request: &Request) -> Result<Answer, RuntimeError> {
        self.ask(request, &[])?;
        Ok(self.answer()?.0)
    }

    /// Sends a signal to the container's first process.
    pub fn signal(&self, signal: i32) -> Result<(), RuntimeError> {
        self.simple(&Request::Signal(signal)).map(drop)
    }

    /// Stops all processes; returns when they are stopped.
    pub fn freeze(&self) -> Result<(), RuntimeError> {
        self.simple(&Request::Freeze).map(drop)
    }

    /// Lets them go on.
    pub fn thaw(&self) -> Result<(), RuntimeError> {
        self.simple(&Request::Thaw).map(drop)
    }

    /// Stops all processes for as long as this connection exists.
    pub fn hold(&self) -> Result<(), RuntimeError> {
        self.simple(&Request::Hold).map(drop)
    }

    /// Waits for the container's end.
    pub fn wait(&self) -> Result<i32, RuntimeError> {
        match self.simple(&Request::Wait)? {
            Answer::Exited(code) => Ok(code),
            _ => Err(RuntimeError::Setup("the monitor talks nonsense".into())),
        }
    }

    /// Asks to be told of the container's end by [`Connection::piece`].
    pub fn wait_later(&self) -> Result<(), RuntimeError> {
        self.ask(&Request::Wait, &[])
    }

    /// The ids of its processes, as this process sees them.
    pub fn processes(&self) -> Result<Vec<i32>, RuntimeError> {
        match self.simple(&Request::Processes)? {
            Answer::Processes(list) => Ok(list),
            _ => Err(RuntimeError::Setup("the monitor talks nonsense".into())),
        }
    }

    /// What it uses.
    pub fn usage(&self) -> Result<Usage, RuntimeError> {
        match self.simple(&Request::Usage)? {
            Answer::Usage(usage) => Ok(usage),
            _ => Err(RuntimeError::Setup("the monitor talks nonsense".into())),
        }
    }

    /// The container's root directory as its processes see it.
    pub fn root(&self) -> Result<OwnedFd, RuntimeError> {
        self.ask(&Request::Root, &[])?;
        let (_, fd) = self.answer()?;
        fd.ok_or_else(|| RuntimeError::Setup("the monitor has no root to show".into()))
    }

    /// Attaches to a running container.
    pub fn attach(&self, attach: &Attach) -> Result<(), RuntimeError> {
        self.simple(&Request::Attach(attach.clone())).map(drop)
    }

    /// Starts one more process; without a terminal, on pipes.
    pub fn exec(self, exec: &ExecSpec, stdio: &[BorrowedFd]) -> Result<Started, RuntimeError> {
        self.ask(&Request::Exec(Box::new(exec.clone())), stdio)?;
        let (_, terminal) = self.answer()?;
        Ok(Started {
            connection: self,
            terminal,
        })
    }

    /// Sends input to an attached container; waits while it takes no more.
    pub fn input(&self, bytes: &[u8]) -> io::Result<()> {
        for part in bytes.chunks(MESSAGE / 2) {
            let mut message = vec![tag::INPUT];
            message.extend_from_slice(part);
            self.tell(&message)?;
        }
        Ok(())
    }

    /// Ends the input.
    pub fn input_end(&self) -> io::Result<()> {
        self.tell(&[tag::INPUT_END])
    }

    /// Tells the size of the terminal.
    pub fn size(&self, rows: u16, columns: u16) -> io::Result<()> {
        let [a, b] = rows.to_ne_bytes();
        let [c, d] = columns.to_ne_bytes();
        self.tell(&[tag::SIZE, a, b, c, d])
    }

    fn tell(&self, message: &[u8]) -> io::Result<()> {
        loop {
            match send(&self.socket, message, SendFlags::NOSIGNAL) {
                Err(Errno::INTR) => {}
                result => return Ok(result.map(drop)?),
            }
        }
    }

    /// Waits for the next thing an attached container sends.
    pub fn piece(&self) -> io::Result<Piece> {
        let mut buffer = vec![0; MESSAGE];
        loop {
            let (n, _) = match receive_message(&self.socket, &mut buffer) {
                Err(Errno::CONNRESET) => return Ok(Piece::Gone),
                result => result?,
            };
            match &buffer[..n] {
                [] => return Ok(Piece::Gone),
                [tag::OUT, bytes @ ..] => return Ok(Piece::Output(Stream::Stdout, bytes.to_vec())),
                [tag::ERR, bytes @ ..] => return Ok(Piece::Output(Stream::Stderr, bytes.to_vec())),
                [tag::ANSWER, text @ ..] => {
                    if let Ok(Answer::Exited(code)) = serde_json::from_slice(text) {
                        return Ok(Piece::Exited(code));
                    }
                }
                _ => {}
            }
        }
    }
}
