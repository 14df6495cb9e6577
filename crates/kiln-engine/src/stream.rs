//! Bytes from one thread to another.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

/// How much may be under way: 8 pieces of 256 KiB.
const PIECES: usize = 8;
const PIECE: usize = 256 * 1024;

type Piece = io::Result<Vec<u8>>;

/// Reads what another thread reads or writes, as it comes.
pub struct Ahead {
    pieces: Receiver<Piece>,
    piece: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Ahead {
    /// Reads ahead in a thread of its own.
    pub fn reading<'s, 'e, R: Read + 's>(
        scope: &'s Scope<'s, 'e>,
        open: impl FnOnce() -> io::Result<R> + Send + 's,
    ) -> Ahead {
        Ahead::start(scope, |sink| {
            let mut reader = open()?;
            loop {
                let mut piece = Vec::with_capacity(PIECE);
                let n = reader.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
                if n == 0 {
                    return Ok(());
                }
                sink.send(piece)?;
            }
        })
    }

    /// What another thread writes.
    pub fn writing<'s, 'e>(
        scope: &'s Scope<'s, 'e>,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 's,
    ) -> Ahead {
        Ahead::start(scope, |sink| {
            write(sink)?;
            sink.flush()
        })
    }

    fn start<'s, 'e>(
        scope: &'s Scope<'s, 'e>,
        work: impl FnOnce(&mut Sink) -> io::Result<()> + Send + 's,
    ) -> Ahead {
        let (sender, pieces) = sync_channel(PIECES);
        scope.spawn(move || {
            let mut sink = Sink {
                sender,
                piece: Vec::with_capacity(PIECE),
            };
            if let Err(e) = work(&mut sink) {
                // When nobody listens any more there is nobody to tell.
                let _ = sink.sender.send(Err(e));
            }
        });
        Ahead {
            pieces,
            piece: Vec::new(),
            at: 0,
            ended: false,
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() && !self.ended {
            match self.pieces.recv() {
                Ok(piece) => {
                    self.piece = piece.inspect_err(|_| self.ended = true)?;
                    self.at = 0;
                }
                Err(_) => self.ended = true,
            }
        }
        if self.ended {
            return Ok(0);
        }
        let n = buffer.len().min(self.piece.len() - self.at);
        buffer[..n].copy_from_slice(&self.piece[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

struct Sink {
    sender: SyncSender<Piece>,
    piece: Vec<u8>,
}

impl Sink {
    fn send(&self, piece: Vec<u8>) -> io::Result<()> {
        self.sender
            .send(Ok(piece))
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..n]);
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.send(piece)
    }
}
