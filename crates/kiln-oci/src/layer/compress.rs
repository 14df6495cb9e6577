//! Telling what a stream is by its first bytes.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::rc::Rc;

/// How much an xz stream may make its reader allocate.
const XZ_MEMORY: u64 = 256 << 20;

/// Decompresses gzip, bzip2, xz or zstd, as the first bytes say; anything else passes unchanged.
/// Streams put one after the other are read to the end.
pub fn decompress<'r>(mut input: Box<dyn BufRead + 'r>) -> io::Result<Box<dyn Read + 'r>> {
    let mut head = Vec::with_capacity(6);
    input.by_ref().take(6).read_to_end(&mut head)?;
    let kind = magic(&head);
    let whole = Cursor::new(head).chain(input);
    Ok(match kind {
        Magic::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(whole)),
        Magic::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(whole)),
        Magic::Xz => {
            let flags = liblzma::stream::CONCATENATED;
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, flags)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(whole, stream))
        }
        Magic::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(whole)?),
        Magic::None => Box::new(whole),
    })
}

/// As [`decompress`], for input that nobody vouches for: fails when more comes out than `always`
/// and than `ratio` times what went in.
pub fn decompress_bounded<'r>(
    input: Box<dyn BufRead + 'r>,
    always: u64,
    ratio: u64,
) -> io::Result<Box<dyn Read + 'r>> {
    let taken = Rc::new(Cell::new(0));
    let counted = Counted {
        inner: input,
        taken: Rc::clone(&taken),
    };
    Ok(Box::new(Bounded {
        inner: decompress(Box::new(BufReader::with_capacity(1 << 16, counted)))?,
        taken,
        given: 0,
        always,
        ratio,
    }))
}

struct Counted<R> {
    inner: R,
    taken: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.taken.set(self.taken.get() + n as u64);
        Ok(n)
    }
}

struct Bounded<R> {
    inner: R,
    taken: Rc<Cell<u64>>,
    given: u64,
    always: u64,
    ratio: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.given += n as u64;
        let most = self.always.max(self.taken.get().saturating_mul(self.ratio));
        if self.given > most {
            let ratio = self.ratio;
            return Err(io::Error::other(format!(
                "it unpacks to more than {ratio} times its size"
            )));
        }
        Ok(n)
    }
}

enum Magic {
    Gzip,
    Bzip2,
    Xz,
    Zstd,
    None,
}

fn magic(head: &[u8]) -> Magic {
    match head {
        [0x1f, 0x8b, ..] => Magic::Gzip,
        [b'B', b'Z', b'h', ..] => Magic::Bzip2,
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Magic::Xz,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Magic::Zstd,
        _ => Magic::None,
    }
}

/// Whether these first 512 bytes are a tar header: its checksum tells, which even the oldest tars
/// have.
pub fn looks_like_tar(head: &[u8]) -> bool {
    let Some(block) = head.first_chunk::<512>() else {
        return false;
    };
    let header = tar::Header::from_byte_slice(block);
    let Ok(wanted) = header.cksum() else {
        return false;
    };
    let sum: u32 = block
        .iter()
        .enumerate()
        // The checksum's own field counts as blanks.
        .map(|(n, b)| {
            if (148..156).contains(&n) {
                32
            } else {
                u32::from(*b)
            }
        })
        .sum();
    // A block of zeros is the end of an archive.
    sum == wanted && block.iter().any(|b| *b != 0)
}
