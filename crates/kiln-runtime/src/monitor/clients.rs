//! Those who talk to a monitor, as it sees them.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use serde::{Deserialize, Serialize};

use super::control::{Answer, tag};
use crate::process::Stream;
use crate::wire::send_message;

/// How much output waits for one client before the container has to.
const PATIENCE: usize = 256 * 1024;

/// What somebody wants to be attached to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// Standard input.
    pub stdin: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
}

/// One connection.
pub(super) struct Client {
    pub id: u64,
    pub socket: OwnedFd,
    pub attached: Option<Attach>,
    /// Wants to hear of the container's end.
    pub waits: bool,
    /// Holds the container still.
    pub holds: bool,
    pub gone: bool,
    queue: VecDeque<Vec<u8>>,
    queued: usize,
}

impl Client {
    pub fn new(id: u64, socket: OwnedFd) -> Client {
        Client {
            id,
            socket,
            attached: None,
            waits: false,
            holds: false,
            gone: false,
            queue: VecDeque::new(),
            queued: 0,
        }
    }

    /// Whether it has more to read than it should have.
    pub fn is_slow(&self) -> bool {
        !self.gone && self.queued > PATIENCE
    }

    /// Whether something waits to be sent.
    pub fn has_queue(&self) -> bool {
        !self.gone && !self.queue.is_empty()
    }

    /// Passes output on to a client that is attached to it.
    pub fn output(&mut self, stream: Stream, bytes: &[u8]) {
        let wants = self.attached.as_ref().is_some_and(|a| match stream {
            Stream::Stdout => a.stdout,
            Stream::Stderr => a.stderr,
        });
        if wants {
            let letter = match stream {
                Stream::Stdout => tag::OUT,
                Stream::Stderr => tag::ERR,
            };
            let mut message = Vec::with_capacity(bytes.len() + 1);
            message.push(letter);
            message.extend_from_slice(bytes);
            self.push(message);
        }
    }

    /// Answers, after all that was sent before.
    pub fn answer(&mut self, answer: &Answer) {
        let mut message = vec![tag::ANSWER];
        if serde_json::to_writer(&mut message, answer).is_ok() {
            self.push(message);
        }
    }

    /// Answers with a descriptor, at once.
    pub fn answer_with(&mut self, answer: &Answer, fd: BorrowedFd) {
        let mut message = vec![tag::ANSWER];
        if serde_json::to_writer(&mut message, answer).is_err()
            || send_message(&self.socket, &message, &[fd]).is_err()
        {
            self.gone = true;
        }
    }

    fn push(&mut self, message: Vec<u8>) {
        self.queued += message.len();
        self.queue.push_back(message);
        self.flush();
    }

    /// Sends what the client takes without waiting.
    pub fn flush(&mut self) {
        while let Some(message) = self.queue.front() {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match send(self.socket.as_fd(), message, flags) {
                Ok(_) => {
                    self.queued -= message.len();
                    self.queue.pop_front();
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    self.gone = true;
                    return;
                }
            }
        }
    }
}
