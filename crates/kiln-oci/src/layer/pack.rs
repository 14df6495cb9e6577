//! Compressing a layer: gzip on all cores, zstd on one (it is faster still).
//!
//! The same input gives the same bytes on any number of cores: gzip's input is cut into blocks of
//! a fixed size, each deflated for itself and ended by a flush, so that their bytes can be put one
//! after the other into one gzip member (as pigz does, RFC 1952).

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use crate::manifest::LayerCompression;

/// How much is deflated at once.
const BLOCK: usize = 1 << 20;
/// Fast, and nearly as small as the usual 6.
const GZIP_LEVEL: u32 = 3;
const ZSTD_LEVEL: i32 = 3;
/// Magic, deflate, no flags, no time, no hint, an unknown system: nothing of this machine.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// The last block, empty.
const END: [u8; 2] = [3, 0];

/// Compresses what is written to it.
pub enum Packer<W: Write> {
    /// Not at all.
    Plain(W),
    /// As one gzip member.
    Gzip(Box<Gzip<W>>),
    /// As one zstd frame.
    Zstd(zstd::stream::write::Encoder<'static, W>),
}

impl<W: Write> Packer<W> {
    /// Begins; without a level a fast one is taken.
    pub fn new(compression: LayerCompression, level: Option<i32>, out: W) -> io::Result<Self> {
        Ok(match compression {
            LayerCompression::None => Packer::Plain(out),
            LayerCompression::Gzip => {
                let level = level
                    .and_then(|l| u32::try_from(l).ok())
                    .map_or(GZIP_LEVEL, |l| l.min(9));
                Packer::Gzip(Box::new(Gzip::new(Compression::new(level), out)?))
            }
            LayerCompression::Zstd => {
                let level = level.unwrap_or(ZSTD_LEVEL);
                let mut encoder = zstd::stream::write::Encoder::new(out, level)?;
                encoder.include_checksum(true)?;
                Packer::Zstd(encoder)
            }
        })
    }

    /// Ends the stream.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Packer::Plain(out) => Ok(out),
            Packer::Gzip(gzip) => gzip.finish(),
            Packer::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Packer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Packer::Plain(out) => out.write(bytes),
            Packer::Gzip(gzip) => gzip.write(bytes),
            Packer::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A deflated block, and the checksum of what was in it.
type Deflated = io::Result<(Vec<u8>, Crc)>;

struct Job {
    block: Vec<u8>,
    result: SyncSender<Deflated>,
}

/// The blocks under way, in order.
pub struct Gzip<W> {
    out: W,
    level: Compression,
    cores: usize,
    block: Vec<u8>,
    jobs: Option<SyncSender<Job>>,
    queue: Arc<Mutex<Receiver<Job>>>,
    results: VecDeque<Receiver<Deflated>>,
    workers: Vec<JoinHandle<()>>,
    crc: Crc,
}

impl<W: Write> Gzip<W> {
    fn new(level: Compression, mut out: W) -> io::Result<Gzip<W>> {
        out.write_all(&HEADER)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (jobs, queue) = sync_channel::<Job>(cores);
        Ok(Gzip {
            out,
            level,
            cores,
            block: Vec::new(),
            jobs: Some(jobs),
            queue: Arc::new(Mutex::new(queue)),
            results: VecDeque::new(),
            workers: Vec::new(),
            crc: Crc::new(),
        })
    }

    /// Hands the block to a worker; takes results while there are more than the workers need.
    fn submit(&mut self) -> io::Result<()> {
        // Small layers are most layers: they need one worker.
        if self.workers.len() < self.cores {
            let (queue, level) = (Arc::clone(&self.queue), self.level);
            let worker = std::thread::spawn(move || deflate_all(&queue, level));
            self.workers.push(worker);
        }
        let block = std::mem::take(&mut self.block);
        let (result, receiver) = sync_channel(1);
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(Job { block, result }).map_err(|_| gone())?;
        self.results.push_back(receiver);
        while self.results.len() > 2 * self.workers.len() {
            self.take()?;
        }
        Ok(())
    }

    fn take(&mut self) -> io::Result<()> {
        let Some(receiver) = self.results.pop_front() else {
            return Ok(());
        };
        let (bytes, crc) = receiver.recv().map_err(|_| gone())??;
        self.crc.combine(&crc);
        self.out.write_all(&bytes)
    }

    fn finish(mut self) -> io::Result<W> {
        if !self.block.is_empty() {
            self.submit()?;
        }
        while !self.results.is_empty() {
            self.take()?;
        }
        // Without senders the workers end.
        self.jobs = None;
        for worker in self.workers.drain(..) {
            worker.join().map_err(|_| gone())?;
        }
        self.out.write_all(&END)?;
        self.out.write_all(&self.crc.sum().to_le_bytes())?;
        self.out.write_all(&self.crc.amount().to_le_bytes())?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Gzip<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..n]);
        if self.block.len() == BLOCK {
            self.submit()?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn gone() -> io::Error {
    io::Error::other("a compressing thread has ended early")
}

fn deflate_all(queue: &Mutex<Receiver<Job>>, level: Compression) {
    let mut deflater = Deflater {
        level: Compress::new(level, false),
        probe: Compress::new(Compression::fast(), false),
        stored: Compress::new(Compression::none(), false),
    };
    loop {
        // Locked only while waiting: the guard goes before the work begins.
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        let _ = job.result.send(deflater.deflate(&job.block));
    }
}

/// Two pieces of this size tell whether a block can be made smaller at all.
const PROBE: usize = 16 * 1024;

struct Deflater {
    level: Compress,
    probe: Compress,
    stored: Compress,
}

impl Deflater {
    /// Archives, pictures and programs packed before are common in images, and deflate takes
    /// longest over what it can't make smaller: such a block is stored as it is.
    fn deflate(&mut self, block: &[u8]) -> Deflated {
        let mut crc = Crc::new();
        crc.update(block);
        let state = if self.hopeless(block)? {
            &mut self.stored
        } else {
            &mut self.level
        };
        Ok((deflate(state, block)?, crc))
    }

    fn hopeless(&mut self, block: &[u8]) -> io::Result<bool> {
        if block.len() < 4 * PROBE {
            return Ok(false);
        }
        let middle = block.len() / 2;
        for piece in [&block[..PROBE], &block[middle..middle + PROBE]] {
            if deflate(&mut self.probe, piece)?.len() < PROBE - PROBE / 32 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn deflate(state: &mut Compress, block: &[u8]) -> io::Result<Vec<u8>> {
    state.reset();
    // Deflate's worst case is a little more than the input.
    let mut out = Vec::with_capacity(block.len() + block.len() / 1000 + 64);
    loop {
        let done = usize::try_from(state.total_in()).map_err(io::Error::other)?;
        let status = state
            .compress_vec(&block[done..], &mut out, FlushCompress::Sync)
            .map_err(io::Error::other)?;
        let all = state.total_in() == block.len() as u64;
        if all && out.len() < out.capacity() {
            return Ok(out);
        }
        if status == Status::StreamEnd {
            return Err(io::Error::other("deflate ended early"));
        }
        out.reserve(4096);
    }
}
