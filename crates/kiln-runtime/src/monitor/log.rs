//! A container's log: a line of JSON for each line of output, as Docker's
//! `json-file` has it. A log that has grown large is set aside, once.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, openat, renameat};
use serde::{Deserialize, Serialize};

use crate::process::Stream;

const NAME: &str = "log";
const OLD: &str = "log.1";
/// A line that is longer is written in pieces.
const LINE: usize = 16 * 1024;

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// The text, with the end of its line if it has one.
    pub log: String,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// When it was written (RFC 3339).
    pub time: String,
}

/// Writes a log.
pub(super) struct Log {
    dir: OwnedFd,
    file: Option<File>,
    size: u64,
    limit: u64,
    /// Of standard output and standard error, the line that isn't at its end.
    open: [Vec<u8>; 2],
}

impl Log {
    pub fn open(dir: &OwnedFd, limit: u64) -> io::Result<Log> {
        let mut log = Log {
            dir: dir.try_clone()?,
            file: None,
            size: 0,
            limit,
            open: [Vec::new(), Vec::new()],
        };
        log.reopen()?;
        Ok(log)
    }

    fn reopen(&mut self) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC;
        let file = File::from(openat(&self.dir, NAME, flags, Mode::from_raw_mode(0o600))?);
        self.size = file.metadata()?.len();
        self.file = Some(file);
        Ok(())
    }

    /// Takes output as it comes. A log that can't be written (a full disk) is
    /// no reason to stop a container.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) {
        let n = usize::from(stream == Stream::Stderr);
        let mut text = Vec::new();
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            self.open[n].extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.open[n].len() >= LINE {
                let line = std::mem::take(&mut self.open[n]);
                entry(&mut text, stream, &line);
            }
        }
        self.append(&text);
    }

    /// Writes what no end of a line followed.
    pub fn finish(&mut self) {
        for (n, stream) in [Stream::Stdout, Stream::Stderr].into_iter().enumerate() {
            let line = std::mem::take(&mut self.open[n]);
            if !line.is_empty() {
                let mut text = Vec::new();
                entry(&mut text, stream, &line);
                self.append(&text);
            }
        }
    }

    fn append(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        if self.size > 0 && self.size + text.len() as u64 > self.limit {
            let _ = renameat(&self.dir, NAME, &self.dir, OLD);
            let _ = self.reopen();
        }
        if let Some(file) = &mut self.file
            && file.write_all(text).is_ok()
        {
            self.size += text.len() as u64;
        }
    }
}

fn entry(out: &mut Vec<u8>, stream: Stream, line: &[u8]) {
    let entry = LogEntry {
        log: String::from_utf8_lossy(line).into_owned(),
        stream: match stream {
            Stream::Stdout => "stdout".to_owned(),
            Stream::Stderr => "stderr".to_owned(),
        },
        time: super::launch::now(),
    };
    if serde_json::to_writer(&mut *out, &entry).is_ok() {
        out.push(b'\n');
    }
}

/// Reads a log from its beginning, and on while it grows.
pub struct LogReader {
    dir: PathBuf,
    file: Option<BufReader<File>>,
    old: bool,
    line: Vec<u8>,
}

impl LogReader {
    /// The log in a container's directory.
    pub fn open(dir: &Path) -> io::Result<LogReader> {
        let mut reader = LogReader {
            dir: dir.to_owned(),
            file: None,
            old: true,
            line: Vec::new(),
        };
        reader.file = reader.part(OLD)?;
        if reader.file.is_none() {
            reader.old = false;
            reader.file = reader.part(NAME)?;
        }
        Ok(reader)
    }

    fn part(&self, name: &str) -> io::Result<Option<BufReader<File>>> {
        match File::open(self.dir.join(name)) {
            Ok(file) => Ok(Some(BufReader::with_capacity(1 << 16, file))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The next entry; nothing at the end of what there is now.
    pub fn next_entry(&mut self) -> io::Result<Option<LogEntry>> {
        loop {
            if let Some(file) = &mut self.file
                && file.read_until(b'\n', &mut self.line)? > 0
            {
                if !self.line.ends_with(b"\n") {
                    // Being written.
                    return Ok(None);
                }
                let line = std::mem::take(&mut self.line);
                match serde_json::from_slice(&line) {
                    Ok(entry) => return Ok(Some(entry)),
                    // Cut off by a full disk or a power loss.
                    Err(_) => continue,
                }
            }
            if !self.turn()? {
                return Ok(None);
            }
        }
    }

    /// Goes on to the next file, if there is one.
    fn turn(&mut self) -> io::Result<bool> {
        let identity = |file: &File| file.metadata().map(|m| (m.dev(), m.ino()));
        if !self.old
            && let Some(file) = &self.file
        {
            // The file that was the log may have been set aside since.
            let current = match File::open(self.dir.join(NAME)) {
                Ok(current) => identity(&current)?,
                Err(_) => return Ok(false),
            };
            if identity(file.get_ref())? == current {
                return Ok(false);
            }
        }
        self.old = false;
        self.line.clear();
        self.file = self.part(NAME)?;
        Ok(self.file.is_some())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_set_aside_once_and_read_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let fd = OwnedFd::from(File::open(dir.path()).unwrap());
        let mut log = Log::open(&fd, 4000).unwrap();
        let mut reader = LogReader::open(dir.path()).unwrap();
        let mut seen = Vec::new();
        for n in 0..200 {
            log.write(Stream::Stdout, format!("line {n}\npart").as_bytes());
            log.write(Stream::Stdout, b" two\n");
            while let Some(entry) = reader.next_entry().unwrap() {
                seen.push(entry.log);
            }
        }
        log.write(Stream::Stderr, b"no end");
        log.finish();
        while let Some(entry) = reader.next_entry().unwrap() {
            seen.push(entry.log);
        }
        assert_eq!(seen.len(), 401);
        assert_eq!(seen[0], "line 0\n");
        assert_eq!(seen[399], "part two\n");
        assert_eq!(seen[400], "no end");
        let size = |name| std::fs::metadata(dir.path().join(name)).unwrap().len();
        assert!(size(NAME) <= 4000 && size(OLD) <= 4000);
        let mut late = LogReader::open(dir.path()).unwrap();
        let mut last = None;
        while let Some(entry) = late.next_entry().unwrap() {
            last = Some(entry.log);
        }
        assert_eq!(last.as_deref(), Some("no end"));
    }
}
