//! Puts the pages of the rules into the program, for `kiln check --explain`.

use std::fmt::Write;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../../docs/rules");
    println!("cargo::rerun-if-changed={}", dir.display());
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(&dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "md")
            && let Some(name) = path.file_stem().and_then(|s| s.to_str())
        {
            pages.push((name.to_owned(), path.canonicalize()?));
        }
    }
    pages.sort();
    let mut out =
        "/// The pages of the rules, by name.\nconst PAGES: &[(&str, &str)] = &[\n".to_owned();
    for (name, path) in pages {
        let path = path.display().to_string();
        writeln!(out, "    ({name:?}, include_str!({path:?})),")?;
    }
    out.push_str("];\n");
    let to = Path::new(&std::env::var("OUT_DIR")?).join("pages.rs");
    std::fs::write(to, out)?;
    Ok(())
}
