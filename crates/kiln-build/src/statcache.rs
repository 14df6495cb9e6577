//! Remembers the content digests of context files by their stat, so that an unchanged context
//! costs stats only.
//!
//! One file a context: for each path device, inode, size, mtime, ctime and the digest. A file
//! whose ctime is younger than the moment its hashing began, less the clock's granularity, is not
//! remembered: a later write could leave the same stat behind (git's "racy" entries).

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kiln_tree::Meta;

const MAGIC: &[u8; 8] = b"kilnst01";
/// Older kernels stamp files with a tick of up to 10 ms.
const GRANULARITY: Duration = Duration::from_millis(50);

type Stamp = [u8; 48];
type Digest = [u8; 32];

/// The digests of one context.
pub struct StatCache {
    file: PathBuf,
    known: HashMap<PathBuf, (Stamp, Digest)>,
    fresh: Mutex<HashMap<PathBuf, (Stamp, Digest)>>,
}

fn stamp(meta: &Meta) -> Stamp {
    let mut s = [0; 48];
    s[..8].copy_from_slice(&meta.dev.to_le_bytes());
    s[8..16].copy_from_slice(&meta.ino.to_le_bytes());
    s[16..24].copy_from_slice(&meta.size.to_le_bytes());
    s[24..32].copy_from_slice(&meta.mtime.0.to_le_bytes());
    s[32..36].copy_from_slice(&meta.mtime.1.to_le_bytes());
    s[36..44].copy_from_slice(&meta.ctime.0.to_le_bytes());
    s[44..48].copy_from_slice(&meta.ctime.1.to_le_bytes());
    s
}

impl StatCache {
    /// Reads the file; one that is absent or damaged counts as empty.
    pub fn open(file: PathBuf) -> StatCache {
        let known = std::fs::read(&file)
            .ok()
            .and_then(|bytes| decode(&bytes))
            .unwrap_or_default();
        StatCache {
            file,
            known,
            fresh: Mutex::default(),
        }
    }

    /// The digest, if the file is as it was.
    pub fn get(&self, path: &Path, meta: &Meta) -> Option<Digest> {
        let stamp = stamp(meta);
        let of = |m: &HashMap<PathBuf, (Stamp, Digest)>| {
            m.get(path).filter(|(s, _)| *s == stamp).map(|(_, d)| *d)
        };
        of(&self.known).or_else(|| self.fresh.lock().ok().and_then(|f| of(&f)))
    }

    /// Remembers a digest that was computed from `began` on.
    pub fn put(&self, path: &Path, meta: &Meta, digest: Digest, began: SystemTime) {
        let changed = UNIX_EPOCH + Duration::new(meta.ctime.0.max(0) as u64, meta.ctime.1);
        if changed + GRANULARITY > began {
            return;
        }
        if let Ok(mut fresh) = self.fresh.lock() {
            fresh.insert(path.to_owned(), (stamp(meta), digest));
        }
    }

    /// Writes what is new; a failure costs only time at the next build.
    pub fn save(&self) {
        let Ok(fresh) = self.fresh.lock() else { return };
        if fresh.is_empty() {
            return;
        }
        let mut all = self.known.clone();
        all.extend(fresh.iter().map(|(k, v)| (k.clone(), *v)));
        let tmp = self
            .file
            .with_extension(format!("{}.tmp", std::process::id()));
        if std::fs::write(&tmp, encode(&all)).is_ok() && std::fs::rename(&tmp, &self.file).is_ok() {
            return;
        }
        let _ = std::fs::remove_file(&tmp);
    }

    /// The file's name for a context directory.
    pub fn name_for(context: &Path) -> String {
        let hash = blake3::hash(context.as_os_str().as_bytes());
        hash.to_hex()[..32].to_owned()
    }
}

fn encode(all: &HashMap<PathBuf, (Stamp, Digest)>) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    for (path, (stamp, digest)) in all {
        let path = path.as_os_str().as_bytes();
        let Ok(len) = u16::try_from(path.len()) else {
            continue;
        };
        out.extend(len.to_le_bytes());
        out.extend(path);
        out.extend(stamp);
        out.extend(digest);
    }
    let sum = blake3::hash(&out);
    out.extend(sum.as_bytes());
    out
}

fn decode(bytes: &[u8]) -> Option<HashMap<PathBuf, (Stamp, Digest)>> {
    let (body, sum) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    if blake3::hash(body).as_bytes() != sum {
        return None;
    }
    let mut rest = body.strip_prefix(MAGIC)?;
    let mut map = HashMap::with_capacity(rest.len() / 128);
    while !rest.is_empty() {
        let (len, tail) = rest.split_first_chunk::<2>()?;
        let (path, tail) = tail.split_at_checked(u16::from_le_bytes(*len) as usize)?;
        let (stamp, tail) = tail.split_first_chunk::<48>()?;
        let (digest, tail) = tail.split_first_chunk::<32>()?;
        map.insert(OsStr::from_bytes(path).into(), (*stamp, *digest));
        rest = tail;
    }
    Some(map)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn survives_a_round_trip_and_damage() {
        let mut all = HashMap::new();
        all.insert("a/b".into(), ([1; 48], [2; 32]));
        let bytes = encode(&all);
        assert_eq!(decode(&bytes).unwrap(), all);
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut]).is_none());
        }
        let mut flipped = bytes.clone();
        flipped[12] ^= 1;
        assert!(decode(&flipped).is_none());
    }
}
