//! What the fuzz targets check, on their seeds and on all that they ever found. See `fuzz/README.md`.

#![allow(clippy::unwrap_used)]

use std::panic::catch_unwind;
use std::path::Path;

#[path = "../../../fuzz/checks/fix.rs"]
mod fix;
#[path = "../../../fuzz/checks/format.rs"]
mod format;
#[path = "../../../fuzz/checks/shell.rs"]
mod shell;

/// Runs a check on all files of some directories; at least `seeds` of them must be there.
fn replay(dirs: &[&str], seeds: usize, check: fn(&[u8])) {
    let mut seen = 0;
    let mut failed = Vec::new();
    for dir in dirs {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../fuzz")
            .join(dir);
        // Only seeds must be there.
        let Ok(dir) = std::fs::read_dir(dir) else {
            continue;
        };
        for entry in dir {
            let path = entry.unwrap().path();
            let data = std::fs::read(&path).unwrap();
            if catch_unwind(|| check(&data)).is_err() {
                failed.push(path.display().to_string());
            }
            seen += 1;
        }
    }
    assert!(seen >= seeds, "only {seen} files in {dirs:?}");
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn seeds_of_fixes() {
    replay(&["seeds/dockerfile", "regressions/fix"], 15, fix::check);
}

#[test]
fn seeds_of_formats() {
    replay(
        &["seeds/dockerfile", "regressions/format"],
        15,
        format::check,
    );
}

#[test]
fn seeds_of_scripts() {
    replay(&["seeds/shell", "regressions/shell"], 3, shell::check);
}
