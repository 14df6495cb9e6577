//! Getting a foreign layer's tar back, byte for byte, from the directory it was unpacked to.
//!
//! Writers of tars differ in header formats, order and padding, so [`write_dir`](super::write_dir)
//! gives other bytes, and another diff ID, than the tar that came from a registry. Keeping that
//! tar would double the disk it takes. A recipe keeps what the directory doesn't hold: the bytes
//! between the files' contents, and where the contents go.
//!
//! The format is a zstd stream of records: `L`, a length (u32) and that many bytes; `F`, the size
//! of a file (u64), the length of its path (u32) and the path; `E` at the end. Numbers are little
//! endian.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

use kiln_tree::Root;
use rustix::fs::OFlags;

use super::apply::{Applied, ApplyOptions};
use super::entry::{Unpacker, unpack};
use super::write::{Tee, Written};
use crate::{Digest, Hasher, OciError};

const MAGIC: &[u8] = b"kilnrcp1";
/// Bytes between contents are written out when there are that many.
const CHUNK: usize = 64 * 1024;
const BUFFER: usize = 256 * 1024;
/// No path is longer; a damaged recipe may claim one.
const MAX_PATH: u32 = 4096;

/// Unpacks a layer's tar as [`apply`](super::apply) does, takes its digest, and writes the recipe
/// to get it back.
///
/// The tar is read to its very end. A layer that has a file twice is refused: the first one's
/// content could not be kept.
pub fn apply_layer(
    tar: impl Read,
    dir: BorrowedFd<'_>,
    options: &ApplyOptions,
    recipe: impl Write,
) -> Result<(Applied, Written), OciError> {
    let failed = || OciError::io("writing the layer's recipe");
    let recording = Recording::new(recipe).map_err(failed())?;
    let recording = Rc::new(RefCell::new(recording));
    let mut tap = Tap {
        inner: tar,
        recording: Rc::clone(&recording),
    };
    let mut unpacker = Unpacker::new(dir, options)?;
    unpacker
        .record(Rc::clone(&recording) as Rc<RefCell<dyn Contents + '_>>)
        .map_err(failed())?;
    unpack(&mut tap, &mut unpacker)?;
    let applied = unpacker.finish();
    drop(tap);
    let recording = Rc::into_inner(recording)
        .ok_or_else(|| failed()(io::Error::other("still in use")))?
        .into_inner();
    let (diff_id, tar_size) = recording.finish().map_err(failed())?;
    let written = Written {
        diff_id,
        tar_size,
        size: applied.bytes + applied.link_bytes,
        entries: applied.entries,
    };
    Ok((applied, written))
}

/// Who is told where in the tar the content of a file begins.
pub(super) trait Contents {
    /// The next `size` bytes are the content of the file at `path`.
    fn file(&mut self, path: &Path, size: u64) -> io::Result<()>;
}

struct Recording<W: Write> {
    out: zstd::stream::write::Encoder<'static, W>,
    hash: Hasher,
    count: u64,
    literal: Vec<u8>,
    /// How many of the next bytes are in a file.
    content: u64,
}

impl<W: Write> Recording<W> {
    fn new(recipe: W) -> io::Result<Self> {
        let mut out = zstd::stream::write::Encoder::new(recipe, 3)?;
        out.write_all(MAGIC)?;
        Ok(Recording {
            out,
            hash: Hasher::new(),
            count: 0,
            literal: Vec::new(),
            content: 0,
        })
    }

    fn read(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.write_all(bytes)?;
        self.count += bytes.len() as u64;
        let inside = usize::try_from(self.content)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        self.content -= inside as u64;
        self.literal.extend_from_slice(&bytes[inside..]);
        if self.literal.len() >= CHUNK {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.literal.is_empty() {
            return Ok(());
        }
        let length = u32::try_from(self.literal.len()).map_err(io::Error::other)?;
        self.out.write_all(b"L")?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(&self.literal)?;
        self.literal.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<(Digest, u64)> {
        self.flush()?;
        self.out.write_all(b"E")?;
        self.out.finish()?.flush()?;
        Ok((self.hash.finish(), self.count))
    }
}

impl<W: Write> Contents for Recording<W> {
    fn file(&mut self, path: &Path, size: u64) -> io::Result<()> {
        self.flush()?;
        let path = path.as_os_str().as_bytes();
        let length = u32::try_from(path.len()).map_err(io::Error::other)?;
        self.out.write_all(b"F")?;
        self.out.write_all(&size.to_le_bytes())?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(path)?;
        self.content = size;
        Ok(())
    }
}

/// Shows the recording what is read.
struct Tap<R, W: Write> {
    inner: R,
    recording: Rc<RefCell<Recording<W>>>,
}

impl<R: Read, W: Write> Read for Tap<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.recording.borrow_mut().read(&buffer[..n])?;
        Ok(n)
    }
}

/// Writes the tar that `dir` was unpacked from, following its recipe, and takes its digest on the
/// way. `size` and `entries` of the result are not known here, and 0.
pub fn replay(
    recipe: impl Read,
    dir: BorrowedFd<'_>,
    out: impl Write,
) -> Result<Written, OciError> {
    let failed = || OciError::io("reading a layer's recipe");
    let root = Root::from_fd(
        dir.try_clone_to_owned()
            .map_err(OciError::io("opening a layer"))?,
    );
    let mut recipe = zstd::stream::read::Decoder::new(recipe).map_err(failed())?;
    let mut magic = [0; MAGIC.len()];
    recipe.read_exact(&mut magic).map_err(failed())?;
    if magic != MAGIC {
        return Err(failed()(io::Error::other("it is none")));
    }
    let mut tee = Tee::new(out);
    let mut buffer = vec![0; BUFFER];
    loop {
        let mut tag = [0; 1];
        recipe.read_exact(&mut tag).map_err(failed())?;
        match tag[0] {
            b'L' => {
                let length = number(&mut recipe).map_err(failed())?;
                copy(&mut recipe, u64::from(length), &mut tee, &mut buffer)
                    .map_err(OciError::io("writing the archive"))?;
            }
            b'F' => {
                let (size, path) = file(&mut recipe).map_err(failed())?;
                let path = Path::new(OsStr::from_bytes(&path));
                let what = || OciError::io(format!("reading {:?}", path.display().to_string()));
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
                let fd = root.open_at(path, flags).map_err(what())?;
                copy(&mut std::fs::File::from(fd), size, &mut tee, &mut buffer).map_err(what())?;
            }
            b'E' => break,
            _ => return Err(failed()(io::Error::other("an unknown record"))),
        }
    }
    tee.finish()
}

fn number(recipe: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    recipe.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

/// Size and path of a file.
fn file(recipe: &mut impl Read) -> io::Result<(u64, Vec<u8>)> {
    let mut size = [0; 8];
    recipe.read_exact(&mut size)?;
    let length = number(recipe)?;
    if length > MAX_PATH {
        return Err(io::Error::other("a path without end"));
    }
    let mut path = vec![0; length as usize];
    recipe.read_exact(&mut path)?;
    Ok((u64::from_le_bytes(size), path))
}

fn copy(from: &mut impl Read, size: u64, to: &mut impl Write, buffer: &mut [u8]) -> io::Result<()> {
    let mut left = size;
    while left > 0 {
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let n = from.read(&mut buffer[..most])?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        to.write_all(&buffer[..n])?;
        left -= n as u64;
    }
    Ok(())
}
