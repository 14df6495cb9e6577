//! Which files have the same content. Only files of the same size are read, and of those that
//! differ early only the beginning.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read};

use kiln_tree::{Kind, Root};

use crate::error::AnalyzeError;
use crate::parallel;
use crate::scan::open_file;
use crate::shown::shown;
use crate::stack::{At, Stack};

/// Smaller files are compared only with what was at the same path: licences and empty
/// configuration files would make long lists and save nothing.
pub(crate) const SMALLEST: u64 = 4096;
/// How much of a file tells it from most others.
const HEAD: u64 = 16 * 1024;
const BUFFER: usize = 128 * 1024;

/// Files by content, where two or more have the same.
#[derive(Default)]
pub(crate) struct Contents {
    /// Each group in order of layers and paths.
    pub groups: Vec<Vec<At>>,
    of: HashMap<At, usize>,
}

impl Contents {
    /// Compares the files of all layers.
    pub fn new(stack: &Stack, roots: &[Root]) -> Result<Contents, AnalyzeError> {
        let candidates = candidates(stack);
        let heads = hash(stack, roots, &candidates, HEAD)?;
        let mut same_head: HashMap<(u64, blake3::Hash), Vec<At>> = HashMap::new();
        for (at, head) in candidates.iter().zip(heads) {
            same_head
                .entry((size(stack, *at), head))
                .or_default()
                .push(*at);
        }
        let mut groups = Vec::new();
        let mut long = Vec::new();
        for ((size, _), files) in same_head {
            match files.len() {
                0 | 1 => {}
                _ if size <= HEAD => groups.push(files),
                _ => long.extend(files),
            }
        }
        let wholes = hash(stack, roots, &long, u64::MAX)?;
        let mut same: HashMap<(u64, blake3::Hash), Vec<At>> = HashMap::new();
        for (at, whole) in long.iter().zip(wholes) {
            same.entry((size(stack, *at), whole)).or_default().push(*at);
        }
        groups.extend(same.into_values().filter(|files| files.len() > 1));
        for group in &mut groups {
            group.sort_unstable();
        }
        groups.sort_unstable();
        let mut of = HashMap::new();
        for (number, group) in groups.iter().enumerate() {
            of.extend(group.iter().map(|at| (*at, number)));
        }
        Ok(Contents { groups, of })
    }

    /// Whether two files have the same content.
    pub fn are_same(&self, stack: &Stack, a: At, b: At) -> bool {
        let group = |at| self.of.get(&stack.counting(at));
        group(a).is_some() && group(a) == group(b)
    }

    /// The first file of a layer that has the content of another one.
    pub fn same_in(&self, stack: &Stack, at: At, layer: usize) -> Option<At> {
        let group = self.groups.get(*self.of.get(&stack.counting(at))?)?;
        let first = group.partition_point(|other| (other.layer as usize) < layer);
        let found = group.get(first).copied();
        found.filter(|other| other.layer as usize == layer)
    }
}

fn size(stack: &Stack, at: At) -> u64 {
    stack.entry(at).map_or(0, |e| e.size)
}

/// The files worth reading, each inode once.
fn candidates(stack: &Stack) -> Vec<At> {
    let mut by_size: HashMap<u64, Vec<At>> = HashMap::new();
    let mut out = BTreeSet::new();
    for (at, entry) in stack.entries() {
        if entry.kind != Kind::File || entry.size == 0 {
            continue;
        }
        if let Some(over) = entry.over
            && size(stack, over) == entry.size
        {
            out.extend([stack.counting(at), stack.counting(over)]);
        }
        if entry.size >= SMALLEST && entry.counts == at.entry {
            by_size.entry(entry.size).or_default().push(at);
        }
    }
    out.extend(by_size.into_values().filter(|f| f.len() > 1).flatten());
    out.into_iter().collect()
}

fn hash(
    stack: &Stack,
    roots: &[Root],
    files: &[At],
    limit: u64,
) -> Result<Vec<blake3::Hash>, AnalyzeError> {
    parallel::map(files, |at| {
        let path = stack.entry(*at).map(|e| stack.paths.full(e.path));
        let path = path.unwrap_or_default();
        let hash = match roots.get(at.layer as usize) {
            Some(root) => hash_file(root, &path, limit),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        hash.map_err(|source| AnalyzeError::Read {
            layer: at.layer as usize + 1,
            path: shown(&path),
            source,
        })
    })
}

fn hash_file(root: &Root, path: &[u8], limit: u64) -> io::Result<blake3::Hash> {
    let mut file = open_file(root, path)?.take(limit);
    let mut hasher = blake3::Hasher::new();
    let length = usize::try_from(limit).map_or(BUFFER, |l| l.min(BUFFER));
    let mut buffer = vec![0; length];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize()),
            Ok(n) => hasher.update(buffer.get(..n).unwrap_or_default()),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
    }
}
