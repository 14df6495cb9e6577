//! One directory of `tests/conformance`, and the contexts made from it.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::harness::{program, run};

/// Files of a case that are no part of the context.
const OWN_FILES: [&str; 3] = ["args", "differs", "prep.sh"];

/// A case.
pub struct Case {
    pub name: String,
    pub dir: PathBuf,
}

/// A difference that is meant to be.
pub struct Differs {
    /// How its line begins.
    pub start: String,
    /// Why it is there.
    pub reason: String,
}

/// Contexts ready to build, kiln's and docker's.
pub struct Prepared {
    _dir: TempDir,
    pub base: Option<(PathBuf, PathBuf)>,
    pub context: (PathBuf, PathBuf),
}

impl Case {
    /// All cases, by name.
    pub fn all() -> Vec<Case> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance");
        let mut all: Vec<Case> = std::fs::read_dir(&dir)
            .unwrap()
            .map(|e| e.unwrap())
            .filter(|e| e.file_type().unwrap().is_dir())
            .map(|e| Case {
                name: e.file_name().into_string().unwrap(),
                dir: e.path(),
            })
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.join(name)).unwrap_or_default()
    }

    /// Arguments of both builders.
    pub fn args(&self) -> Vec<String> {
        self.text("args").lines().map(String::from).collect()
    }

    /// The Dockerfile's name: what follows `-f` in the arguments.
    pub fn dockerfile(&self) -> String {
        let args = self.args();
        let at = args.iter().position(|a| a == "-f");
        match at.and_then(|n| args.get(n + 1)) {
            Some(path) => path.replace("@CTX@/", ""),
            None => "Dockerfile".to_owned(),
        }
    }

    /// The differences that are meant to be.
    pub fn differs(&self) -> Vec<Differs> {
        let text = self.text("differs");
        text.lines()
            .filter(|l| !l.trim().is_empty())
            .map(|l| {
                let (start, reason) = l.split_once("  # ").unwrap_or((l, ""));
                Differs {
                    start: start.trim().to_owned(),
                    reason: reason.trim().to_owned(),
                }
            })
            .collect()
    }

    /// Copies the case and makes it ready.
    pub fn prepare(&self, url: &str) -> Prepared {
        let dir = tempfile::Builder::new()
            .prefix("kiln-case-")
            .tempdir()
            .unwrap();
        let ours = dir.path().join("kiln");
        copy(&self.dir, &ours);
        if ours.join("prep.sh").exists() {
            for (name, package) in [
                ("setcap", "libcap2-bin"),
                ("xz", "xz-utils"),
                ("bzip2", "bzip2"),
            ] {
                program(name, package);
            }
            run(Command::new("sh")
                .args(["-e", "prep.sh"])
                .current_dir(&ours)
                .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"))
            .ok();
        }
        for name in OWN_FILES {
            let _ = std::fs::remove_file(ours.join(name));
        }
        for name in ["Dockerfile", "Dockerfile.docker"] {
            let path = ours.join(name);
            if let Ok(text) = std::fs::read_to_string(&path) {
                std::fs::write(&path, text.replace("@URL@", url)).unwrap();
            }
        }
        let base = ours.join("base").is_dir().then(|| {
            let away = dir.path().join("base");
            std::fs::rename(ours.join("base"), &away).unwrap();
            (away.clone(), away)
        });
        let theirs = self.docker_context(dir.path(), &ours);
        Prepared {
            _dir: dir,
            base,
            context: (ours, theirs),
        }
    }

    /// docker's context is kiln's, unless docker needs a Dockerfile of its own.
    fn docker_context(&self, dir: &Path, ours: &Path) -> PathBuf {
        if !ours.join("Dockerfile.docker").exists() {
            return ours.to_owned();
        }
        let theirs = dir.join("docker");
        copy(ours, &theirs);
        std::fs::rename(theirs.join("Dockerfile.docker"), theirs.join("Dockerfile")).unwrap();
        std::fs::remove_file(ours.join("Dockerfile.docker")).unwrap();
        theirs
    }
}

/// Copies a tree with all its modes, owners, links and attributes.
fn copy(from: &Path, to: &Path) {
    run(Command::new("cp").arg("-a").arg(from).arg(to)).ok();
}
