//! Groups of files that are hardly of use in an image.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::Read;

use kiln_tree::{Kind, Root};

use crate::report::{Leftover, Measure, Share};
use crate::rules::{CORE, RULES};
use crate::scan::open_file;
use crate::shown::shown;
use crate::stack::{Entry, Stack};

/// How many paths of a group are named.
const PATHS: usize = 10;

#[derive(Default)]
struct Group {
    layers: BTreeMap<usize, Share>,
    parts: BTreeMap<Vec<u8>, u64>,
}

/// The groups that there are, the most bytes first, minor ones last.
pub(crate) fn leftovers(stack: &Stack, roots: &[Root]) -> Vec<Leftover> {
    let mut groups: BTreeMap<&'static str, Group> = BTreeMap::new();
    for (at, entry) in stack.entries() {
        // A second hard link takes no room.
        if entry.kind != Kind::File || entry.bytes == 0 {
            continue;
        }
        let path = stack.paths.full(entry.path);
        let found = RULES.iter().find_map(|r| Some((r.id, r.part(&path)?)));
        let Some((id, part)) = found else { continue };
        if id == CORE
            && !roots
                .get(at.layer as usize)
                .is_some_and(|r| is_core(r, &path))
        {
            continue;
        }
        let group = groups.entry(id).or_default();
        add(group, at.layer as usize + 1, entry);
        *group.parts.entry(part.to_vec()).or_default() += entry.bytes;
    }
    let mut all: Vec<Leftover> = groups
        .into_iter()
        .filter_map(|(id, group)| finished(id, group))
        .collect();
    all.sort_by_key(|l| (l.minor, Reverse(l.bytes), l.id));
    all
}

fn add(group: &mut Group, layer: usize, entry: &Entry) {
    let share = group.layers.entry(layer).or_insert(Share {
        layer,
        bytes: 0,
        wasted_bytes: 0,
        files: 0,
    });
    share.bytes += entry.bytes;
    share.files += 1;
    if entry.covered.is_some() {
        share.wasted_bytes += entry.bytes;
    }
}

fn finished(id: &'static str, group: Group) -> Option<Leftover> {
    let rule = RULES.iter().find(|r| r.id == id)?;
    let layers: Vec<Share> = group.layers.into_values().collect();
    let mut parts: Vec<(Vec<u8>, u64)> = group.parts.into_iter().collect();
    parts.sort_by(|a, b| (Reverse(a.1), &a.0).cmp(&(Reverse(b.1), &b.0)));
    let paths = parts.into_iter().take(PATHS).map(|(path, bytes)| Measure {
        path: format!("/{}", shown(&path)),
        bytes,
        layer: None,
    });
    Some(Leftover {
        id,
        title: rule.title,
        advice: rule.advice,
        minor: rule.minor,
        bytes: layers.iter().map(|l| l.bytes).sum(),
        files: layers.iter().map(|l| l.files).sum(),
        paths: paths.collect(),
        layers,
    })
}

/// Whether a file is an ELF file of type ET_CORE, whatever its name says.
fn is_core(root: &Root, path: &[u8]) -> bool {
    const ET_CORE: u16 = 4;
    let mut head = [0; 18];
    let read = open_file(root, path).and_then(|mut f| f.read_exact(&mut head));
    let order = head[5];
    let kind = [head[16], head[17]];
    let kind = match order {
        2 => u16::from_be_bytes(kind),
        _ => u16::from_le_bytes(kind),
    };
    read.is_ok() && head.starts_with(b"\x7fELF") && kind == ET_CORE
}
