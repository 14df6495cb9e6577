//! `import` and `save`.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use kiln_build::fetch::download;
use kiln_engine::import::{Import, import as engine_import};
use kiln_engine::load::{load_path, load_stream};
use kiln_engine::save::{Archive, export as engine_export, save as engine_save};
use kiln_oci::layer::Packer;
use kiln_oci::manifest::LayerCompression;
use kiln_oci::{Platform, Reference};
use kiln_store::Store;

use crate::args::{ArchiveFormat, CompressionArg, ExportArgs, ImportArgs, LoadArgs, SaveArgs};

/// `kiln import`
pub fn import(store: &Store, a: &ImportArgs) -> Result<()> {
    let fetched;
    let tar: Box<dyn BufRead> = if a.file == "-" {
        Box::new(BufReader::with_capacity(1 << 17, std::io::stdin()))
    } else if a.file.starts_with("http://") || a.file.starts_with("https://") {
        fetched = store.scratch()?;
        let file = download(&a.file, fetched.path())?.file;
        let file = File::open(&file).with_context(|| format!("opening {}", file.display()))?;
        Box::new(BufReader::with_capacity(1 << 17, file))
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
        platform: platform(a.platform.as_deref())?,
        source_date_epoch: source_date_epoch()?,
        changes: a.change.clone(),
    };
    println!("{}", engine_import(store, tar, &what)?);
    Ok(())
}

/// `kiln save`
pub fn save(store: &Store, a: &SaveArgs) -> Result<()> {
    let format = match a.format {
        ArchiveFormat::Docker => Archive::Docker,
        ArchiveFormat::Oci => Archive::Oci,
    };
    let write = |out: &mut dyn Write| -> Result<()> {
        let mut packer = Packer::new(a.compression.into(), None, out)?;
        engine_save(store, &a.images, format, &mut packer)?;
        packer.finish()?;
        Ok(())
    };
    to_output(a.output.as_deref(), write)
}

/// `kiln export`
pub fn export(store: &Store, a: &ExportArgs) -> Result<()> {
    to_output(a.output.as_deref(), |out| {
        Ok(engine_export(store, &a.image, out)?)
    })
}

/// Into a file, or to standard output unless that is a terminal.
fn to_output(path: Option<&Path>, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let Some(path) = path else {
        let out = std::io::stdout();
        if out.is_terminal() {
            bail!("cowardly refusing to save to a terminal. Use the -o flag or redirect");
        }
        let mut out = BufWriter::with_capacity(1 << 17, out.lock());
        write(&mut out)?;
        return out.flush().context("writing to standard output");
    };
    write_file(path, write)
}

impl From<CompressionArg> for LayerCompression {
    fn from(arg: CompressionArg) -> Self {
        match arg {
            CompressionArg::None => LayerCompression::None,
            CompressionArg::Gzip => LayerCompression::Gzip,
            CompressionArg::Zstd => LayerCompression::Zstd,
        }
    }
}

/// `kiln load`
pub fn load(store: &Store, a: &LoadArgs) -> Result<()> {
    let platform = platform(a.platform.as_deref())?;
    let loaded = match &a.input {
        Some(path) => load_path(store, path, &platform)?,
        None => {
            let input = std::io::stdin();
            if input.is_terminal() {
                bail!("requested load from stdin, but stdin is a terminal; use -i FILE");
            }
            let input = Box::new(BufReader::with_capacity(1 << 17, input));
            load_stream(store, input, &platform)?
        }
    };
    for image in &loaded {
        for name in &image.names {
            println!("Loaded image: {}", name.familiar());
        }
        if image.names.is_empty() {
            println!("Loaded image ID: {}", image.id);
        }
    }
    Ok(())
}

/// `SOURCE_DATE_EPOCH` of the environment.
pub fn source_date_epoch() -> Result<Option<i64>> {
    let Ok(text) = std::env::var("SOURCE_DATE_EPOCH") else {
        return Ok(None);
    };
    let epoch = text
        .parse()
        .with_context(|| format!("SOURCE_DATE_EPOCH={text}: not a number of seconds"))?;
    Ok(Some(epoch))
}

/// The platform a flag names, or this machine's.
pub fn platform(text: Option<&str>) -> Result<Platform> {
    Ok(match text {
        Some(p) => p.parse()?,
        None => Platform::host(),
    })
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
