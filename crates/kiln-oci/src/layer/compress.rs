//! Telling what a stream is by its first bytes.

use std::io::{self, BufRead, Cursor, Read};

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
