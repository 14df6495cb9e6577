//! The files of an archive by name, wherever it comes from.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use kiln_tree::Root;
use rustix::fs::OFlags;
use tar::EntryType;

use crate::OciError;
use crate::guard::Guard;

/// How many files an archive may have: twice as many as an image can have layers, many times over.
const MAX_MEMBERS: usize = 100_000;
/// How many links lead to a file.
const MAX_LINKS: usize = 16;

/// Where the files are.
enum Source {
    /// In a plain tar that can be read at any place.
    Tar(File),
    /// In files of their own, numbered.
    Spooled(PathBuf),
    /// In an OCI layout directory.
    Dir(Root),
}

enum Place {
    /// Offset or number, and size.
    At(u64, u64),
    /// Another name.
    Link(String),
}

/// The files of an archive.
pub struct Members {
    source: Source,
    places: HashMap<String, Place>,
}

impl Members {
    /// The files of a plain tar, which stay where they are.
    pub fn of_file(mut file: File) -> Result<Members, OciError> {
        file.seek(SeekFrom::Start(0)).map_err(OciError::Tar)?;
        let mut places = HashMap::new();
        let reader = file.try_clone().map_err(OciError::Tar)?;
        let (guard, budget) = Guard::new(BufReader::new(reader));
        let mut archive = tar::Archive::new(guard);
        for entry in archive.entries_with_seek().map_err(OciError::Tar)? {
            let entry = entry.map_err(OciError::Tar)?;
            budget.renew();
            let (at, size) = (entry.raw_file_position(), entry.size());
            note(&mut places, &entry, Place::At(at, size))?;
        }
        // A file that was cut has its last entries' headers all the same.
        let length = file.metadata().map_err(OciError::Tar)?.len();
        let beyond = |place: &Place| matches!(place, Place::At(at, size) if at.saturating_add(*size) > length);
        if places.values().any(beyond) {
            return Err(OciError::Tar(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(Members {
            source: Source::Tar(file),
            places,
        })
    }

    /// The files of a tar that can be read once only: they are written below `dir`. No more than
    /// `most` bytes are taken.
    pub fn of_stream(tar: impl Read, dir: &Path, most: u64) -> Result<Members, OciError> {
        let mut places = HashMap::new();
        let (guard, budget) = Guard::new(tar);
        let mut archive = tar::Archive::new(guard);
        let mut left = most;
        let mut number = 0;
        let mut buffer = vec![0; 128 * 1024];
        for entry in archive.entries().map_err(OciError::Tar)? {
            let mut entry = entry.map_err(OciError::Tar)?;
            let size = entry.size();
            number += 1;
            budget.renew();
            left = left.checked_sub(size).ok_or_else(|| {
                OciError::Limit(format!("the archive is larger than {most} bytes"))
            })?;
            note(&mut places, &entry, Place::At(number, size))?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let path = dir.join(number.to_string());
            let failed = || OciError::io(format!("writing {}", path.display()));
            let mut out = File::create(&path).map_err(failed())?;
            let mut rest = size;
            while rest > 0 {
                let n = entry.read(&mut buffer).map_err(OciError::Tar)?;
                budget.renew();
                if n == 0 {
                    return Err(OciError::Tar(io::ErrorKind::UnexpectedEof.into()));
                }
                out.write_all(&buffer[..n]).map_err(failed())?;
                rest = rest.saturating_sub(n as u64);
            }
        }
        // To the very end, where the checksum of a compressed archive is.
        budget.renew();
        io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(OciError::Tar)?;
        Ok(Members {
            source: Source::Spooled(dir.to_owned()),
            places,
        })
    }

    /// The files of an OCI layout directory.
    pub fn of_dir(dir: &Path) -> Result<Members, OciError> {
        let root = Root::open(dir).map_err(OciError::io("opening the image layout"))?;
        Ok(Members {
            source: Source::Dir(root),
            places: HashMap::new(),
        })
    }

    /// Opens a file; nothing where there is none of that name.
    pub fn open(&self, name: &str) -> Result<Option<Box<dyn Read + Send + '_>>, OciError> {
        let failed = || OciError::io(format!("reading {name}"));
        if let Source::Dir(root) = &self.source {
            return match root.open_at(Path::new(name), OFlags::RDONLY | OFlags::NONBLOCK) {
                Ok(fd) => Ok(Some(Box::new(File::from(fd)))),
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(e) => Err(failed()(e)),
            };
        }
        let Some((at, size)) = self.place(name) else {
            return Ok(None);
        };
        Ok(Some(match &self.source {
            Source::Tar(file) => Box::new(Part {
                file,
                at,
                left: size,
            }),
            Source::Spooled(dir) => {
                Box::new(File::open(dir.join(at.to_string())).map_err(failed())?)
            }
            Source::Dir(_) => return Ok(None),
        }))
    }

    /// How many bytes a file has.
    pub fn size(&self, name: &str) -> Option<u64> {
        match &self.source {
            Source::Dir(root) => root.metadata(Path::new(name)).ok().map(|m| m.size),
            _ => self.place(name).map(|(_, size)| size),
        }
    }

    /// Where a file is, links followed; links without end lead nowhere.
    fn place(&self, name: &str) -> Option<(u64, u64)> {
        let mut name = clean(name);
        for _ in 0..MAX_LINKS {
            match self.places.get(&name)? {
                Place::Link(to) => name = to.clone(),
                Place::At(at, size) => return Some((*at, *size)),
            }
        }
        None
    }

    /// A small file as a whole; one of more than `most` bytes is refused.
    pub fn read(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, OciError> {
        let Some(file) = self.open(name)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(most + 1)
            .read_to_end(&mut bytes)
            .map_err(OciError::io(format!("reading {name}")))?;
        if bytes.len() as u64 > most {
            return Err(OciError::Limit(format!(
                "{name} is larger than {most} bytes"
            )));
        }
        Ok(Some(bytes))
    }
}

fn note<R: Read>(
    places: &mut HashMap<String, Place>,
    entry: &tar::Entry<'_, R>,
    place: Place,
) -> Result<(), OciError> {
    let name = clean(&String::from_utf8_lossy(&entry.path_bytes()));
    let target =
        || String::from_utf8_lossy(&entry.link_name_bytes().unwrap_or_default()).into_owned();
    let place = match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous => place,
        EntryType::Link => Place::Link(clean(&target())),
        EntryType::Symlink => {
            let dir = name.rsplit_once('/').map_or("", |(dir, _)| dir);
            Place::Link(clean(&format!("{dir}/{}", target())))
        }
        _ => return Ok(()),
    };
    if places.len() >= MAX_MEMBERS {
        return Err(OciError::Limit(format!(
            "more than {MAX_MEMBERS} files in the archive"
        )));
    }
    places.insert(name, place);
    Ok(())
}

/// A name without `.`, `..` and slashes too many; it is a key only, never a path.
fn clean(name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A stretch of a file; several may be read at once.
struct Part<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let n = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += n as u64;
        self.left -= n as u64;
        Ok(n)
    }
}
