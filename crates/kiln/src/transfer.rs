//! `import` and `save`.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use kiln_engine::import::{Import, import as engine_import};
use kiln_engine::save::save as engine_save;
use kiln_oci::{Platform, Reference};
use kiln_store::Store;

use crate::args::{ImportArgs, SaveArgs};

/// `kiln import`
pub fn import(store: &Store, a: &ImportArgs) -> Result<()> {
    let tar: Box<dyn BufRead> = if a.file == "-" {
        Box::new(BufReader::with_capacity(1 << 17, std::io::stdin()))
    } else {
        let file = File::open(&a.file).with_context(|| format!("opening {}", a.file))?;
        Box::new(BufReader::with_capacity(1 << 17, file))
    };
    let what = Import {
        name: a.name.as_deref().map(Reference::parse).transpose()?,
        message: a
            .message
            .clone()
            .unwrap_or_else(|| format!("Imported from {}", a.file)),
        platform: match &a.platform {
            Some(p) => p.parse()?,
            None => Platform::host(),
        },
    };
    println!("{}", engine_import(store, tar, &what)?);
    Ok(())
}

/// `kiln save`
pub fn save(store: &Store, a: &SaveArgs) -> Result<()> {
    match &a.output {
        Some(path) => write_file(path, |out| Ok(engine_save(store, &a.images, out)?)),
        None => {
            let out = std::io::stdout();
            if out.is_terminal() {
                bail!("cowardly refusing to save to a terminal. Use the -o flag or redirect");
            }
            let mut out = BufWriter::with_capacity(1 << 17, out.lock());
            engine_save(store, &a.images, &mut out)?;
            out.flush().context("writing to standard output")
        }
    }
}

/// Writes under another name first: what was there stays until the new file is whole.
pub fn write_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let name = path.file_name().context("the output has no file name")?;
    if path.exists() && !path.is_file() {
        // A pipe or device: there is nothing to keep.
        let mut file = File::create(path).with_context(|| format!("opening {}", path.display()))?;
        return write(&mut file);
    }
    let temporary = path.with_file_name(format!(
        ".{}.{}",
        name.to_string_lossy(),
        std::process::id()
    ));
    let result = (|| {
        let file = File::create(&temporary)
            .with_context(|| format!("creating {}", temporary.display()))?;
        let mut out = BufWriter::with_capacity(1 << 17, file);
        let failed = || format!("writing {}", path.display());
        write(&mut out).with_context(failed)?;
        out.flush().with_context(failed)?;
        std::fs::rename(&temporary, path).with_context(|| format!("creating {}", path.display()))
    })();
    if result.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    result
}
