//! A file system put together from layer tars, by the rules of the OCI image specification.
//!
//! Written apart from the product's own code, so that a mistake there can't hide itself.

use std::collections::BTreeMap;
use std::io::Read;

use tar::EntryType;

/// All there is to a file but its name and its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inode {
    pub kind: EntryType,
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    pub content: Vec<u8>,
    pub link: String,
    pub device: Option<(u32, u32)>,
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// Names to inodes. The root is the empty path.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    names: BTreeMap<String, usize>,
    inodes: Vec<Inode>,
}

impl Tree {
    /// Applies layers, the lowest first; what is wrong with one otherwise.
    pub fn of_layers<'a>(layers: impl IntoIterator<Item = &'a [u8]>) -> Result<Tree, String> {
        let mut tree = Tree::default();
        tree.put(
            String::new(),
            Inode {
                kind: EntryType::Directory,
                mode: 0o755,
                uid: 0,
                gid: 0,
                content: Vec::new(),
                link: String::new(),
                device: None,
                xattrs: BTreeMap::new(),
            },
        );
        for (n, layer) in layers.into_iter().enumerate() {
            tree.apply(layer)
                .map_err(|e| format!("layer {n} is no valid layer: {e}"))?;
        }
        Ok(tree)
    }

    /// All paths, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// What is at a path.
    pub fn get(&self, path: &str) -> Option<&Inode> {
        let number = self.names.get(path.trim_start_matches('/'))?;
        Some(&self.inodes[*number])
    }

    /// The text of a file that must be there.
    #[track_caller]
    pub fn text(&self, path: &str) -> String {
        let inode = self
            .get(path)
            .unwrap_or_else(|| panic!("{path} is not in the image"));
        String::from_utf8(inode.content.clone()).unwrap()
    }

    /// The other names of a file.
    pub fn hard_links(&self, path: &str) -> Vec<&str> {
        let Some(number) = self.names.get(path) else {
            return Vec::new();
        };
        let same = self
            .names
            .iter()
            .filter(|(p, n)| *n == number && *p != path);
        same.map(|(p, _)| p.as_str()).collect()
    }

    fn put(&mut self, path: String, inode: Inode) {
        self.names.insert(path, self.inodes.len());
        self.inodes.push(inode);
    }

    fn remove(&mut self, path: &str) {
        let below = format!("{path}/");
        self.names
            .retain(|p, _| p != path && !p.starts_with(&below));
    }

    fn apply(&mut self, layer: &[u8]) -> Result<(), String> {
        // Everything numbered from here on is this layer's own, which an opaque mark spares.
        let first_own = self.inodes.len();
        let mut archive = tar::Archive::new(layer);
        for entry in archive.entries().map_err(|e| e.to_string())? {
            let mut entry = entry.map_err(|e| e.to_string())?;
            let path = clean(&entry.path_bytes())?;
            let (dir, name) = path.rsplit_once('/').unwrap_or(("", &path));
            match self.get(dir).map(|i| i.kind) {
                Some(EntryType::Directory) => {}
                other => return Err(format!("{path}: its parent is {other:?}")),
            }
            if name == ".wh..wh..opq" {
                let below = if dir.is_empty() {
                    String::new()
                } else {
                    format!("{dir}/")
                };
                self.names
                    .retain(|p, n| p.is_empty() || *n >= first_own || !p.starts_with(&below));
            } else if let Some(gone) = name.strip_prefix(".wh.") {
                let gone = if dir.is_empty() {
                    gone.to_owned()
                } else {
                    format!("{dir}/{gone}")
                };
                self.remove(&gone);
            } else if entry.header().entry_type() == EntryType::Link {
                let target = entry.link_name_bytes().ok_or("a hard link to nothing")?;
                let target = clean(&target)?;
                let number = *self
                    .names
                    .get(&target)
                    .ok_or_else(|| format!("{path}: hard link to {target}, which is not there"))?;
                self.remove(&path);
                self.names.insert(path, number);
            } else {
                let inode = read(&mut entry).map_err(|e| format!("{path}: {e}"))?;
                let is_dir = |i: &Inode| i.kind == EntryType::Directory;
                if !(is_dir(&inode) && self.get(&path).is_some_and(is_dir)) {
                    self.remove(&path);
                }
                self.put(path, inode);
            }
        }
        Ok(())
    }
}

fn clean(raw: &[u8]) -> Result<String, String> {
    // A name that is no text is shown with escapes, which no other name looks like.
    let text = |part: &[u8]| match std::str::from_utf8(part) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("{} (escaped)", part.escape_ascii()),
    };
    let parts: Vec<String> = raw
        .split(|b| *b == b'/')
        .filter(|p| !p.is_empty() && *p != b".")
        .map(text)
        .collect();
    if parts.iter().any(|p| p == "..") {
        return Err(format!("{}: leads out of the layer", raw.escape_ascii()));
    }
    Ok(parts.join("/"))
}

fn read(entry: &mut tar::Entry<impl Read>) -> std::io::Result<Inode> {
    let mut xattrs = BTreeMap::new();
    if let Some(extensions) = entry.pax_extensions()? {
        for e in extensions {
            let e = e?;
            let key = e.key().map_err(std::io::Error::other)?;
            if let Some(name) = key.strip_prefix("SCHILY.xattr.") {
                xattrs.insert(name.to_owned(), e.value_bytes().to_vec());
            }
        }
    }
    let kind = match entry.header().entry_type() {
        EntryType::Continuous | EntryType::GNUSparse => EntryType::Regular,
        other => other,
    };
    let mut content = Vec::new();
    entry.read_to_end(&mut content)?;
    let link = match entry.link_name_bytes() {
        Some(l) if kind == EntryType::Symlink => l.escape_ascii().to_string(),
        _ => String::new(),
    };
    let h = entry.header();
    let device = match kind {
        EntryType::Char | EntryType::Block => Some((
            h.device_major()?.unwrap_or_default(),
            h.device_minor()?.unwrap_or_default(),
        )),
        _ => None,
    };
    Ok(Inode {
        kind,
        // A symbolic link's mode means nothing, and archivers differ about it.
        mode: if kind == EntryType::Symlink {
            0
        } else {
            h.mode()? & 0o7777
        },
        uid: h.uid()?,
        gid: h.gid()?,
        content,
        link,
        device,
        xattrs,
    })
}
