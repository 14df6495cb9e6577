//! The list of what a COPY is about to copy.

use std::os::unix::ffi::OsStrExt;

use super::files::{DIGEST, Row};
use super::{Copied, Listing};
use crate::context::kind_letter;
use crate::listing::{Entry, Match};
use crate::mounts::inputs::Input as Mount;
use crate::plan::{CopyFrom, Source};
use crate::steps::{Found, PreparedCopy};

impl PreparedCopy<'_> {
    /// The list, with the digests that came out when the content was digested.
    pub fn copied(&self, content: &str, digests: &[[u8; 32]]) -> Copied {
        // The content's digest is about names below the sources: where those lie is added.
        let mut name = blake3::Hasher::new();
        name.update(content.as_bytes());
        let mut listing = Listing::default();
        let mut digests = digests.iter();
        let owners = self.op.from != CopyFrom::Context;
        for (found, source) in self.found.iter().zip(&self.op.sources) {
            match found {
                Found::Listed(matches) | Found::Directory(_, matches) => {
                    for m in matches {
                        name.update(m.path.as_os_str().as_bytes()).update(&[0]);
                        entries(&mut listing, m, owners, &mut digests);
                    }
                }
                Found::Inline(path, text) => listing.push(Row {
                    path: path.clone().into_bytes(),
                    kind: b'i',
                    size: text.len() as u64,
                    digest: short(blake3::hash(text.as_bytes()).as_bytes()),
                    ..Row::default()
                }),
                Found::File(download) => {
                    let path = match source {
                        Source::Url(url) => url.clone(),
                        _ => download.name.clone(),
                    };
                    let size = std::fs::metadata(&download.file).map_or(0, |m| m.len());
                    listing.push(Row {
                        path: path.into_bytes(),
                        kind: b'u',
                        size,
                        digest: digests.next().map(short).unwrap_or_default(),
                        ..Row::default()
                    });
                }
            }
        }
        Copied {
            name: String::new(),
            key: name.finalize().to_hex()[..32].to_owned(),
            list: listing.encode(),
        }
    }
}

/// The lists of what the mounts of a RUN show of the context.
pub fn of_mounts(mounts: &[Mount]) -> Vec<Copied> {
    let shown = mounts.iter().filter_map(|m| Some((m, m.listed.as_ref()?)));
    shown
        .map(|(mount, found)| {
            let mut key = blake3::Hasher::new();
            key.update(mount.value.as_bytes());
            key.update(found.path.as_os_str().as_bytes());
            let mut listing = Listing::default();
            entries(&mut listing, found, false, &mut mount.digests.iter());
            Copied {
                name: mount.name.clone(),
                key: key.finalize().to_hex()[..32].to_owned(),
                list: listing.encode(),
            }
        })
        .collect()
}

fn entries<'d>(
    listing: &mut Listing,
    m: &Match,
    owners: bool,
    digests: &mut impl Iterator<Item = &'d [u8; 32]>,
) {
    for e in &m.entries {
        let kind = kind_letter(e.meta.kind) as u8;
        let digest = match kind {
            b'f' => digests.next().map(short).unwrap_or_default(),
            _ => [0; DIGEST],
        };
        listing.push(Row {
            path: e.path.as_os_str().as_bytes().to_vec(),
            kind,
            mode: e.meta.mode,
            owner: owners.then_some((e.meta.uid, e.meta.gid)),
            size: if kind == b'f' { e.meta.size } else { 0 },
            digest,
            target: target(e, kind),
        });
    }
}

fn target(e: &Entry, kind: u8) -> Vec<u8> {
    match kind {
        b'l' => e.link.as_deref().unwrap_or_default().as_bytes().to_vec(),
        b'c' | b'b' => format!("{}, {}", e.meta.rdev.0, e.meta.rdev.1).into_bytes(),
        _ => Vec::new(),
    }
}

fn short(digest: &[u8; 32]) -> [u8; DIGEST] {
    digest.first_chunk().copied().unwrap_or_default()
}
