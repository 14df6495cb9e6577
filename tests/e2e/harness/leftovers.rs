//! What an ended build may have left: processes, mounts, directories.

use std::path::Path;
use std::time::{Duration, Instant};

use super::Kiln;

/// Processes and mounts that have to do with a store, and entries of its `tmp/`.
///
/// A process is known by the store's path in its environment: kiln and its helpers have it there,
/// and what a RUN starts has it if the Dockerfile sets some variable to it.
pub fn leftovers(store: &Path) -> Vec<String> {
    let name = store.to_str().unwrap();
    let own = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let pid = entry.file_name().into_string().unwrap_or_default();
        if !pid.starts_with(|c: char| c.is_ascii_digit()) || pid == own {
            continue;
        }
        // A process that ends while it is looked at has nothing to read any more.
        let read = |file: &str| {
            let data = std::fs::read(entry.path().join(file)).unwrap_or_default();
            String::from_utf8_lossy(&data).replace('\0', " ")
        };
        if read("environ").contains(name) {
            found.push(format!("process {pid} ({})", read("cmdline").trim()));
        }
    }
    // Mounts of kiln's belong in namespaces of its own; an overlay shows its directories by path
    // or, on newer kernels, as descriptors.
    for mount in std::fs::read_to_string("/proc/self/mountinfo")
        .unwrap()
        .lines()
    {
        if mount.contains(name) && !mount.contains(" - tmpfs kiln-e2e ")
            || mount.contains("lowerdir+=/proc/self/fd/")
        {
            found.push(format!("mount {mount}"));
        }
    }
    for entry in std::fs::read_dir(store.join("tmp"))
        .into_iter()
        .flatten()
        .flatten()
    {
        found.push(format!("tmp/{}", entry.file_name().display()));
    }
    found
}

/// Asserts that nothing is left; gives what is ending some time to end.
#[track_caller]
pub fn assert_nothing_left(kiln: &Kiln) {
    let began = Instant::now();
    loop {
        let found = leftovers(kiln.store());
        if found.is_empty() {
            return;
        }
        assert!(
            began.elapsed() < Duration::from_secs(3),
            "left behind in {}:\n  {}",
            kiln.store().display(),
            found.join("\n  ")
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
