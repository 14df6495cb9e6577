//! What goes along with a request.

use std::io::{self, Read};
use std::time::Instant;

use crate::transport;

/// A request's body.
pub(crate) enum Payload<'a> {
    /// Nothing.
    None,
    /// Something that can be sent again.
    Bytes(&'a [u8]),
    /// Something that can be sent once.
    Stream(Outgoing<'a>),
}

impl Payload<'_> {
    /// Whether it can be sent (again) as a whole.
    pub(crate) fn is_whole(&self) -> bool {
        match self {
            Payload::Stream(outgoing) => outgoing.sent == 0 && outgoing.failed.is_none(),
            _ => true,
        }
    }

    /// Why reading it failed, if it did.
    pub(crate) fn take_failure(&mut self) -> Option<io::Error> {
        match self {
            Payload::Stream(outgoing) => outgoing.failed.take(),
            _ => None,
        }
    }

    /// Whether the registry was asked first and said nothing.
    pub(crate) fn asked_in_vain(&self) -> bool {
        matches!(self, Payload::Stream(outgoing) if outgoing.in_vain)
    }

    /// Stops asking before it is sent; whether that is a change and it can still be sent.
    pub(crate) fn stop_asking(&mut self) -> bool {
        let whole = self.is_whole();
        match self {
            Payload::Stream(outgoing) => std::mem::take(&mut outgoing.expect) && whole,
            _ => false,
        }
    }
}

/// Uploads from this size on ask the registry first whether it wants them (RFC 9110, section
/// 10.1.1), so that a token that has run out costs no second reading. What is smaller is sent
/// sooner than the answer comes.
const LARGE: u64 = 1 << 20;

/// The body of an upload while it is read.
pub(crate) struct Outgoing<'a> {
    body: &'a mut dyn Read,
    /// The bytes there must be, where they are known.
    pub(crate) size: Option<u64>,
    /// The bytes that were read.
    pub(crate) sent: u64,
    /// Asks the registry first.
    pub(crate) expect: bool,
    /// When it was asked.
    pub(crate) asked: Option<Instant>,
    in_vain: bool,
    progress: &'a dyn Fn(u64),
    failed: Option<io::Error>,
}

impl<'a> Outgoing<'a> {
    pub(crate) fn new(
        body: &'a mut dyn Read,
        size: Option<u64>,
        progress: &'a dyn Fn(u64),
    ) -> Outgoing<'a> {
        Outgoing {
            body,
            size,
            sent: 0,
            expect: size.is_none_or(|s| s >= LARGE),
            asked: None,
            in_vain: false,
            progress,
            failed: None,
        }
    }
}

impl Read for Outgoing<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.size.map_or(u64::MAX, |s| s - self.sent);
        let most = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        if let Some(asked) = self.asked.take() {
            self.in_vain = asked.elapsed() >= transport::ASK;
        }
        let read = loop {
            match self.body.read(&mut buf[..most]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let failure = match read {
            // The HTTP client would wait for the rest for ever.
            Ok(0) if self.size.is_some() => io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("it ends {left} bytes too early"),
            ),
            Ok(n) => {
                self.sent += n as u64;
                (self.progress)(self.sent);
                return Ok(n);
            }
            Err(e) => e,
        };
        self.failed = Some(failure);
        Err(io::Error::other("the source failed"))
    }
}
