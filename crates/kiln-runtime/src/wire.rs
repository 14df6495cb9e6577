//! What the caller and the helper say to each other: one message with
//! descriptors to the helper, a few short messages back.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, send, sendmsg, socketpair,
};

use crate::error::{RuntimeError, Step};
use crate::volumes;

/// The longest message.
const LIMIT: usize = 16 * 1024;

/// How the helper ended its work.
pub(crate) enum Report {
    /// Setting up failed; a status follows.
    Failed(RuntimeError),
    /// The process exited.
    Exited(i32),
    /// A signal killed the process.
    Killed(i32),
}

/// How many descriptors one message may have.
const DESCRIPTORS: usize = volumes::MOST + 3;

/// Sends descriptors.
pub(crate) fn send_fds(socket: impl AsFd, fds: &[BorrowedFd]) -> rustix::io::Result<()> {
    send_message(socket, b"f", fds)
}

/// Receives the descriptors; none when the caller is gone.
pub(crate) fn receive_fds(socket: impl AsFd) -> rustix::io::Result<Vec<OwnedFd>> {
    Ok(receive_message(socket, &mut [0])?.1)
}

/// Two ends between which messages go, each whole.
pub(crate) fn message_pair() -> Result<(OwnedFd, OwnedFd), RuntimeError> {
    socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .step("make a socket")
}

/// Sends a message, with descriptors.
pub(crate) fn send_message(
    socket: impl AsFd,
    message: &[u8],
    fds: &[BorrowedFd],
) -> rustix::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(fds));
    }
    rustix::io::retry_on_intr(|| {
        sendmsg(
            &socket,
            &[IoSlice::new(message)],
            &mut control,
            SendFlags::NOSIGNAL,
        )
    })?;
    Ok(())
}

/// Receives a message and the descriptors that came with it.
pub(crate) fn receive_message(
    socket: impl AsFd,
    buffer: &mut [u8],
) -> rustix::io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = rustix::io::retry_on_intr(|| {
        recvmsg(
            &socket,
            &mut [IoSliceMut::new(buffer)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )
    })?;
    let mut out = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            out.extend(fds);
        }
    }
    Ok((got.bytes, out))
}

/// Sends a report; a caller that is gone does not care.
pub(crate) fn send_report(socket: impl AsFd, report: &Report) {
    let mut message = match report {
        Report::Failed(e) => {
            let mut message = vec![b'E', e.kind()];
            message.extend_from_slice(e.to_string().as_bytes());
            message
        }
        Report::Exited(code) => format!("C{code}").into_bytes(),
        Report::Killed(signal) => format!("K{signal}").into_bytes(),
    };
    message.truncate(LIMIT);
    let _ = send(socket, &message, SendFlags::NOSIGNAL);
}

/// Receives a report; `None` when the helper is gone.
pub(crate) fn receive_report(socket: impl AsFd) -> rustix::io::Result<Option<Report>> {
    let mut buffer = vec![0; LIMIT];
    let (n, _) = rustix::net::recv(socket, &mut buffer[..], RecvFlags::empty())?;
    Ok(read_report(&buffer[..n]))
}

/// Reads a report.
pub(crate) fn read_report(message: &[u8]) -> Option<Report> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let number = |bytes: &[u8]| text(bytes).parse().unwrap_or(-1);
    match message {
        [b'E', kind, rest @ ..] => Some(Report::Failed(RuntimeError::from_kind(*kind, text(rest)))),
        [b'C', rest @ ..] => Some(Report::Exited(number(rest))),
        [b'K', rest @ ..] => Some(Report::Killed(number(rest))),
        _ => None,
    }
}

/// Says that one side is done, with a descriptor if there is one to hand over.
pub(crate) fn send_byte(socket: impl AsFd, fd: Option<BorrowedFd>) -> rustix::io::Result<()> {
    match fd {
        Some(fd) => send_fds(socket, &[fd]),
        None => send_fds(socket, &[]),
    }
}

/// Waits until the other side is done; `false` when it is gone.
pub(crate) fn receive_byte(socket: impl AsFd) -> rustix::io::Result<bool> {
    let mut byte = [0];
    loop {
        match rustix::net::recv(&socket, &mut byte[..], RecvFlags::empty()) {
            Ok((n, _)) => return Ok(n > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
}
