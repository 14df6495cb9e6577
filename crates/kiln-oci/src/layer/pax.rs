//! PAX records, read by their lengths.
//!
//! The crate `tar` splits them at line ends, so that a value with a line end in it (a capability's
//! bytes, say, or a file's name) makes it refuse the archive, or take a part of the value for a
//! record. This filter stands before it: it reads the records itself (POSIX pax, "pax Extended
//! Header"), and shows the crate others of the same length in place of such values.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::rc::Rc;

use tar::Header;

const BLOCK: usize = 512;
/// The records of one entry: extended attributes have 64 KiB at the most.
const MOST: u64 = 1 << 20;

/// The records of the entry that comes next.
pub(super) type Records = Rc<RefCell<Fields>>;

/// Keys and values; of several with one key the last.
pub(super) type Fields = BTreeMap<Vec<u8>, Vec<u8>>;

/// Passes a tar on, its PAX records made harmless.
pub(super) struct PaxFilter<R> {
    inner: R,
    records: Records,
    /// Bytes to be given before anything else.
    out: Vec<u8>,
    at: usize,
    /// Bytes of content to be passed on.
    pass: u64,
    /// Blocks of a sparse file's map come before its content, of this size.
    sparse: Option<u64>,
    /// `size` of the records, for the next entry.
    size: Option<u64>,
    ended: bool,
}

impl<R: Read> PaxFilter<R> {
    pub(super) fn new(inner: R) -> (PaxFilter<R>, Records) {
        let records = Records::default();
        let filter = PaxFilter {
            inner,
            records: Rc::clone(&records),
            out: Vec::new(),
            at: 0,
            pass: 0,
            sparse: None,
            size: None,
            ended: false,
        };
        (filter, records)
    }

    /// What it reads from.
    pub(super) fn into_inner(self) -> R {
        self.inner
    }

    /// Reads up to a whole number of blocks; less at the end of the stream.
    fn gather(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(length);
        self.inner
            .by_ref()
            .take(length as u64)
            .read_to_end(&mut bytes)?;
        self.ended |= bytes.len() < length;
        Ok(bytes)
    }

    /// Reads the next block and decides what follows it.
    fn next_block(&mut self) -> io::Result<()> {
        let bytes = self.gather(BLOCK)?;
        self.at = 0;
        self.out = bytes;
        let Some(block) = self.out.first_chunk::<BLOCK>() else {
            return Ok(());
        };
        if let Some(size) = self.sparse {
            // The byte that says whether another block of the map follows.
            if block[504] == 0 {
                self.sparse = None;
                self.pass = padded(size)?;
            }
            return Ok(());
        }
        let header = Header::from_byte_slice(block);
        let kind = header.entry_type();
        let size = header.entry_size().unwrap_or(0);
        let known = header.as_gnu().is_some() || header.as_ustar().is_some();
        if known && kind.is_pax_local_extensions() {
            return self.records(size);
        }
        if kind.is_pax_global_extensions() && !self.records.borrow().is_empty() {
            return Err(bad("a PAX global header between an entry and its records"));
        }
        let extension = kind.is_gnu_longname()
            || kind.is_gnu_longlink()
            || kind.is_pax_local_extensions()
            || kind.is_pax_global_extensions();
        let size = match self.size {
            Some(size) if !extension => {
                self.size = None;
                size
            }
            _ => size,
        };
        let more = header.as_gnu().is_some_and(|gnu| gnu.is_extended());
        if kind.is_gnu_sparse() && more {
            self.sparse = Some(size);
        } else {
            self.pass = padded(size)?;
        }
        Ok(())
    }

    fn records(&mut self, size: u64) -> io::Result<()> {
        if size > MOST {
            return Err(bad("the PAX records of an entry are too long"));
        }
        let length = usize::try_from(padded(size)?).map_err(io::Error::other)?;
        let mut body = self.gather(length)?;
        let end = body.len().min(size as usize);
        let (found, sized) = parse(&mut body[..end])?;
        self.size = sized;
        *self.records.borrow_mut() = found;
        self.out.append(&mut body);
        Ok(())
    }
}

/// The records, and their `size`; those that are no lines are overwritten in place.
fn parse(body: &mut [u8]) -> io::Result<(Fields, Option<u64>)> {
    let mut found = Fields::new();
    let mut sized = None;
    let mut rest = body;
    // Some writers fill the block with zeros and count them.
    while rest.first().is_some_and(|b| *b != 0) {
        let malformed = || bad("malformed PAX record");
        let space = rest.iter().take(20).position(|b| *b == b' ');
        let space = space.ok_or_else(malformed)?;
        let length: usize = std::str::from_utf8(&rest[..space])
            .ok()
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(malformed)?;
        let (record, after) = rest
            .split_at_mut_checked(length)
            .filter(|(record, _)| record.len() > space + 2)
            .ok_or_else(malformed)?;
        let (line, end) = record.split_at_mut(length - 1);
        let field = line.get_mut(space + 1..).ok_or_else(malformed)?;
        let equals = field.iter().position(|b| *b == b'=');
        let equals = equals.ok_or_else(malformed)?;
        if end != b"\n" || equals == 0 {
            return Err(malformed());
        }
        let (key, value) = (field[..equals].to_vec(), field[equals + 1..].to_vec());
        if key == b"size" {
            let size = std::str::from_utf8(&value)
                .ok()
                .and_then(|v| v.parse().ok());
            let size: u64 = size.ok_or_else(malformed)?;
            // Readers differ in which one counts.
            if sized.replace(size).is_some_and(|other| other != size) {
                return Err(bad("an entry has two sizes"));
            }
        }
        if field.contains(&b'\n') {
            // As long as before, and nothing to anybody: `c=xxx`.
            field.fill(b'x');
            field[..2].copy_from_slice(b"c=");
        }
        found.insert(key, value);
        rest = after;
    }
    Ok((found, sized))
}

fn bad(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// A size rounded up to whole blocks.
fn padded(size: u64) -> io::Result<u64> {
    size.checked_next_multiple_of(BLOCK as u64)
        .ok_or_else(|| bad("an entry's size is beyond all limits"))
}

impl<R: Read> Read for PaxFilter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.at < self.out.len() {
                let n = buffer.len().min(self.out.len() - self.at);
                buffer[..n].copy_from_slice(&self.out[self.at..self.at + n]);
                self.at += n;
                return Ok(n);
            }
            if self.ended {
                return Ok(0);
            }
            if self.pass > 0 {
                let most = usize::try_from(self.pass)
                    .unwrap_or(usize::MAX)
                    .min(buffer.len());
                let n = self.inner.read(&mut buffer[..most])?;
                self.pass -= n as u64;
                return Ok(n);
            }
            self.next_block()?;
        }
    }
}
