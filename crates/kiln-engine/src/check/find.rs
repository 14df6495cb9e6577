//! The Dockerfiles of a directory.

use std::path::{Path, PathBuf};

use kiln_build::BuildError;

/// Directories that hold other people's files.
const PASSED_OVER: [&str; 6] = [
    "node_modules",
    "target",
    "vendor",
    "__pycache__",
    "venv",
    "bower_components",
];

/// The Dockerfiles at and below a directory, sorted; not those of hidden directories, of
/// directories that package managers fill, and not what `exclude` names (relative paths).
pub fn dockerfiles(dir: &Path, exclude: &[String]) -> Result<Vec<PathBuf>, BuildError> {
    let mut found = Vec::new();
    below(dir, dir, exclude, &mut found)?;
    found.sort();
    Ok(found)
}

fn below(
    root: &Path,
    dir: &Path,
    exclude: &[String],
    found: &mut Vec<PathBuf>,
) -> Result<(), BuildError> {
    let reading = |e| BuildError::caused(format_args!("reading {}", dir.display()), &e);
    for entry in std::fs::read_dir(dir).map_err(reading)? {
        let entry = entry.map_err(reading)?;
        let path = entry.path();
        let relative = path.strip_prefix(root).unwrap_or(&path);
        let excluded = |e: &String| relative.starts_with(e.trim_end_matches('/'));
        if exclude.iter().any(excluded) {
            continue;
        }
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            continue;
        };
        let kind = entry.file_type().map_err(reading)?;
        if kind.is_dir() {
            if !name.starts_with('.') && !PASSED_OVER.contains(&name) {
                below(root, &path, exclude, found)?;
            }
        } else if kind.is_file() && is_dockerfile(name) {
            found.push(path);
        }
    }
    Ok(())
}

/// `Dockerfile`, `Dockerfile.dev`, `dev.Dockerfile`, `Containerfile`, …
fn is_dockerfile(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    if lower.ends_with(".dockerignore") {
        return false;
    }
    ["dockerfile", "containerfile"].iter().any(|word| {
        lower == *word
            || lower.starts_with(&format!("{word}."))
            || lower.ends_with(&format!(".{word}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for yes in [
            "Dockerfile",
            "Dockerfile.dev",
            "web.dockerfile",
            "Containerfile",
        ] {
            assert!(is_dockerfile(yes), "{yes}");
        }
        for no in [
            "Dockerfile.dockerignore",
            "Dockerfiles",
            "docker",
            "mydockerfile",
        ] {
            assert!(!is_dockerfile(no), "{no}");
        }
    }
}
