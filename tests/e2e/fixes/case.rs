//! One directory of `tests/fixes`, and what its `case` file says.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::harness::run;

/// A Dockerfile with its context, and what fixing it may change.
#[derive(Default)]
pub struct Case {
    pub name: String,
    dir: PathBuf,
    /// Rules that find something before, and nothing after.
    pub fixes: Vec<String>,
    /// Paths that may be gone, with all beneath them.
    pub saves: Vec<String>,
    /// Keys of the config that may differ.
    pub config: BTreeSet<String>,
    /// By how many percent the layers must be smaller.
    pub smaller: u64,
    /// Whether it needs a Debian, and the network.
    pub debian: bool,
    modes: Vec<(String, u32)>,
}

/// Where the cases are.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixes")
}

impl Case {
    /// All cases, by name.
    pub fn all() -> Vec<Case> {
        let entries = std::fs::read_dir(top()).unwrap();
        let mut all: Vec<Case> = entries
            .map(|e| e.unwrap().path())
            .filter(|p| p.join("case").is_file())
            .map(|p| Case::read(&p))
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    fn read(dir: &Path) -> Case {
        let mut case = Case {
            name: dir.file_name().unwrap().to_str().unwrap().to_owned(),
            dir: dir.to_owned(),
            ..Case::default()
        };
        let text = std::fs::read_to_string(dir.join("case")).unwrap();
        for line in text.lines().filter(|l| !l.starts_with('#')) {
            let (key, value) = line.split_once(": ").unwrap();
            let words = value.split_whitespace().map(String::from);
            match key {
                "fixes" => case.fixes.extend(words),
                "saves" => case.saves.extend(words),
                "config" => case.config.extend(words),
                "smaller" => case.smaller = value.parse().unwrap(),
                "base" => case.debian = value == "debian",
                "mode" => {
                    let (mode, path) = value.split_once(' ').unwrap();
                    let mode = u32::from_str_radix(mode, 8).unwrap();
                    case.modes.push((path.to_owned(), mode));
                }
                other => panic!("{}: {other}", case.name),
            }
        }
        case
    }

    /// A copy of the context. A checkout doesn't keep all modes; the case names those that count.
    pub fn context(&self) -> TempDir {
        let copy = tempfile::Builder::new()
            .prefix("kiln-fix-")
            .tempdir()
            .unwrap();
        let mut from = self.dir.as_os_str().to_owned();
        from.push("/.");
        run(Command::new("cp").arg("-r").arg(from).arg(copy.path())).ok();
        std::fs::remove_file(copy.path().join("case")).unwrap();
        plain_modes(copy.path());
        for (path, mode) in &self.modes {
            set_mode(&copy.path().join(path), *mode);
        }
        copy
    }

    /// Whether a path may be gone.
    pub fn is_saved(&self, path: &str) -> bool {
        self.saves.iter().any(|saved| {
            let rest = path.strip_prefix(saved.as_str());
            rest.is_some_and(|r| r.is_empty() || r.starts_with('/'))
        })
    }
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

fn plain_modes(dir: &Path) {
    set_mode(dir, 0o755);
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => plain_modes(&path),
            false => set_mode(&path, 0o644),
        }
    }
}
