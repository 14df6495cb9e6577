//! Secrets: read when a step needs them, and handed to its process alone.

use std::io::Read;

use kiln_dockerfile::SecretMount;
use kiln_runtime::{Mount, Private, Source};

use crate::error::{BuildError, IoContext};
use crate::options::{BuildOptions, SecretSource};

/// The largest secret (BuildKit's limit): 500 KiB.
pub const MAX_SECRET: u64 = 500 << 10;

impl SecretSource {
    /// The bytes. As with docker, a variable that isn't set is an empty secret.
    fn read(&self, id: &str) -> Result<Vec<u8>, BuildError> {
        let bytes = match self {
            SecretSource::Env(name) => {
                use std::os::unix::ffi::OsStringExt;
                std::env::var_os(name).unwrap_or_default().into_vec()
            }
            SecretSource::File(path) => {
                let file = std::fs::File::open(path).context("reading the secret file", path)?;
                let mut bytes = Vec::new();
                file.take(MAX_SECRET + 1)
                    .read_to_end(&mut bytes)
                    .context("reading the secret file", path)?;
                bytes
            }
        };
        if bytes.len() as u64 > MAX_SECRET {
            return Err(BuildError::new(format!(
                "secret {id} is too big: the limit is 500 KiB"
            )));
        }
        Ok(bytes)
    }
}

/// What a step gets of a secret: a file, a variable, or both.
#[derive(Default)]
pub struct Given {
    /// The file.
    pub file: Option<Mount>,
    /// The variable's name and value.
    pub env: Option<(String, String)>,
}

/// Reads a secret; one that is not given and not required is not there.
pub fn give(m: &SecretMount, options: &BuildOptions) -> Result<Given, BuildError> {
    let Some(source) = options.secrets.get(&m.id) else {
        if m.required {
            return Err(BuildError::new(format!("secret {}: not found", m.id))
                .hint(format!("give it with --secret id={},src=FILE", m.id)));
        }
        return Ok(Given::default());
    };
    let bytes = source.read(&m.id)?;
    let env = match &m.env {
        None => None,
        Some(name) => Some((name.clone(), text(&bytes, &m.id)?)),
    };
    let file = m.target.as_ref().map(|target| Mount {
        target: target.clone(),
        read_only: true,
        source: Source::File {
            content: Private(bytes),
            mode: m.look.mode.unwrap_or(0o400),
            uid: m.look.uid.unwrap_or(0),
            gid: m.look.gid.unwrap_or(0),
        },
    });
    Ok(Given { file, env })
}

fn text(bytes: &[u8], id: &str) -> Result<String, BuildError> {
    let text = std::str::from_utf8(bytes)
        .ok()
        .filter(|t| !t.contains('\0'));
    text.map(str::to_owned).ok_or_else(|| {
        BuildError::new(format!(
            "secret {id} is not text, so it can't be a variable"
        ))
        .hint("mount it as a file: leave out env=…, or add target=…")
    })
}
