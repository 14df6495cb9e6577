//! Layers from elsewhere into the store.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::fd::AsFd;
use std::sync::Mutex;

use kiln_oci::layer::{ApplyOptions, Ids, Limits, Whiteouts, apply_layer, decompress};
use kiln_oci::manifest::Descriptor;
use kiln_oci::{Digest, Hasher, OciError};
use kiln_store::{Layer, Store};

use crate::BuildError;
use crate::parallel::lock;
use crate::stream::Ahead;

/// What a layer may always unpack to, however small its blob: 2 GiB.
pub(crate) const ALWAYS: u64 = 2 << 30;
/// How many times its blob's size a larger layer may unpack to: real ones stay far below.
pub(crate) const RATIO: u64 = 200;

/// Unpacks the blob of a layer, `size` bytes long, and stores it, checked against its diff ID; and against its
/// descriptor too, unless the reader checks that itself.
///
/// What the store has already is not read at all. Returns whether anything was. `source` is what
/// messages call the blob.
pub fn receive<'r>(
    store: &Store,
    source: &str,
    diff_id: &Digest,
    size: u64,
    blob: impl FnOnce() -> Result<Box<dyn Read + Send + 'r>, BuildError>,
) -> Result<bool, BuildError> {
    if store.layer(diff_id)?.is_some() {
        return Ok(false);
    }
    // Whoever else is at it makes this superfluous.
    let _single = store.lock_key(&format!("layer-{}", diff_id.hex()))?;
    if store.layer(diff_id)?.is_some() {
        return Ok(false);
    }
    let what = format!("{source}: layer {diff_id}");
    let failed = |e: io::Error| BuildError::caused(&what, &e);
    let scratch = store.scratch()?;
    let (dir, recipe) = (scratch.path().join("layer"), scratch.path().join("recipe"));
    make_root(&dir).map_err(failed)?;
    let fd = File::open(&dir).map_err(failed)?;
    let out = BufWriter::new(File::create(&recipe).map_err(failed)?);
    let options = ApplyOptions {
        whiteouts: Whiteouts::Overlay,
        limits: Limits {
            bytes: size.saturating_mul(RATIO).max(ALWAYS),
            ..Limits::default()
        },
        ids: Ids::Keep,
    };
    let blob = Mutex::new(Remembering {
        inner: blob()?,
        failure: None,
    });
    let applied = std::thread::scope(|s| {
        let shared = Shared(&blob);
        let ahead = Ahead::reading(s, move || decompress(Box::new(BufReader::new(shared))));
        apply_layer(ahead, fd.as_fd(), &options, out)
    });
    let (_, written) = applied.map_err(|e| {
        // Whoever unpacks it stumbles before its end is reached: that it is another blob than it
        // should be says more.
        if matches!(e, OciError::Tar(_) | OciError::Entry { .. }) {
            let rest = io::copy(&mut Shared(&blob), &mut io::sink());
            let first = lock(&blob).failure.take();
            if let Some(own) = first.or(rest.err().map(|e| e.to_string())) {
                // A registry's errors and those of a check name the blob themselves.
                return BuildError::new(match own.contains("sha256:") {
                    true => own,
                    false => format!("{what}: {own}"),
                });
            }
        }
        BuildError::caused(&what, &e)
    })?;
    if written.diff_id != *diff_id {
        return Err(BuildError::new(format!(
            "{what}: its content has the digest {}",
            written.diff_id
        )));
    }
    store.commit_foreign_layer(
        &dir,
        &Layer {
            diff_id: *diff_id,
            size: written.size,
            tar_size: written.tar_size,
            entries: written.entries,
            created: jiff::Timestamp::now().to_string(),
            recipe: true,
        },
        &recipe,
    )?;
    Ok(true)
}

/// A blob, and why reading it failed the first time: on its way through a decompressor that is lost.
struct Remembering<R> {
    inner: R,
    failure: Option<String>,
}

/// A blob that is read by one thread after the other.
struct Shared<'a, R>(&'a Mutex<Remembering<R>>);

impl<R: Read> Read for Shared<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut blob = lock(self.0);
        blob.inner.read(buffer).inspect_err(|e| {
            if e.kind() != io::ErrorKind::Interrupted {
                blob.failure.get_or_insert(e.to_string());
            }
        })
    }
}

/// The root directory of a layer that has no entry for it.
fn make_root(path: &std::path::Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    std::fs::DirBuilder::new().mode(0o755).create(path)?;
    // Whatever the umask is.
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755))
}

/// Checks a blob against its descriptor while it is read.
pub struct Checked<R> {
    inner: R,
    hash: Option<Hasher>,
    left: u64,
    expected: Digest,
}

impl<R: Read> Checked<R> {
    /// `inner` must hold exactly what the descriptor says.
    pub fn new(inner: R, descriptor: &Descriptor) -> Self {
        Checked {
            inner,
            hash: Some(Hasher::new()),
            left: descriptor.size,
            expected: descriptor.digest,
        }
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        let Some(hash) = &mut self.hash else {
            return Ok(n);
        };
        let bad = |why: &str| io::Error::other(format!("blob {}: {why}", self.expected));
        if n as u64 > self.left {
            return Err(bad("it is longer than its descriptor says"));
        }
        self.left -= n as u64;
        hash.write_all(&buffer[..n])?;
        if n == 0 && !buffer.is_empty() {
            if self.left > 0 {
                return Err(bad("it is shorter than its descriptor says"));
            }
            let found = self.hash.take().map(Hasher::finish);
            if found != Some(self.expected) {
                return Err(bad("its content has another digest"));
            }
        }
        Ok(n)
    }
}
