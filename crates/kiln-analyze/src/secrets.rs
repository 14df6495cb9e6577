//! Files that look like secrets, in all layers: what a later layer deletes is still there for
//! whoever has the image. Only whether a file has a key or a token is found out; nothing of its
//! content is kept.

use std::io::{self, Read};

use kiln_tree::{Kind, Root};

use crate::error::AnalyzeError;
use crate::report::Secret;
use crate::scan::open_file;
use crate::shown::shown;
use crate::stack::Stack;

/// No file of these kinds is larger.
const LIMIT: u64 = 64 * 1024;

/// What in a file makes it a secret.
enum Proof {
    /// Its name alone.
    Name,
    /// One of these words.
    Words(&'static [&'static str]),
}

const PRIVATE_KEY: &[&str] = &["PRIVATE KEY-----"];

/// The list, by layer and path.
pub(crate) fn secrets(stack: &Stack, roots: &[Root]) -> Result<Vec<Secret>, AnalyzeError> {
    let mut found = Vec::new();
    for (at, entry) in stack.entries() {
        if entry.kind != Kind::File || entry.size == 0 {
            continue;
        }
        let name = stack.paths.name(entry.path);
        let dir = stack.paths.name(stack.paths.parent(entry.path));
        let Some((kind, proof)) = kind_of(dir, name) else {
            continue;
        };
        let path = stack.paths.full(entry.path);
        let layer = at.layer as usize + 1;
        if let Proof::Words(words) = proof {
            let has = match roots.get(at.layer as usize) {
                Some(root) => has_one(root, &path, words),
                None => Err(io::ErrorKind::NotFound.into()),
            };
            let has = has.map_err(|source| AnalyzeError::Read {
                layer,
                path: shown(&path),
                source,
            })?;
            if !has {
                continue;
            }
        }
        found.push(Secret {
            path: format!("/{}", shown(&path)),
            kind,
            layer,
            hidden_by: entry.covered.map(|c| c.by + 1),
        });
    }
    found.sort_by(|a, b| (a.layer, &a.path).cmp(&(b.layer, &b.path)));
    Ok(found)
}

/// What a file of this name in a directory of that name may be.
fn kind_of(dir: &[u8], name: &[u8]) -> Option<(&'static str, Proof)> {
    use Proof::{Name, Words};
    Some(match (dir, name) {
        (_, b"id_rsa" | b"id_dsa" | b"id_ecdsa" | b"id_ed25519" | b"identity")
            if name != b"identity" || dir == b".ssh" =>
        {
            ("SSH private key", Name)
        }
        (b"ssh", n) if n.starts_with(b"ssh_host_") && n.ends_with(b"_key") => {
            ("SSH host key, the same for all containers", Name)
        }
        (b".aws", b"credentials") => ("AWS credentials", Name),
        (b".docker", b"config.json") => (
            "registry credentials",
            Words(&["\"auth\"", "identitytoken"]),
        ),
        (b".kube", b"config") => ("Kubernetes credentials", Name),
        (_, b".dockercfg") => ("registry credentials", Name),
        (_, b"application_default_credentials.json") => ("Google Cloud credentials", Name),
        (_, b".git-credentials") => ("git credentials", Name),
        (_, b".netrc" | b"_netrc") => ("credentials for hosts", Words(&["password"])),
        (_, b".npmrc") => ("npm token", Words(&["_authToken", "_auth", "_password"])),
        (_, b".pypirc") => ("PyPI credentials", Words(&["password"])),
        (_, b".pgpass") => ("PostgreSQL password", Name),
        (_, b".env") => ("environment file", Words(&["="])),
        (_, n) if n.starts_with(b".env.") && !is_sample(n) => ("environment file", Words(&["="])),
        (_, n) if has_suffix(n, &[".pem", ".key"]) => ("private key", Words(PRIVATE_KEY)),
        (_, n) if has_suffix(n, &[".p12", ".pfx", ".ppk", ".kdbx"]) => ("key store", Name),
        _ => return None,
    })
}

fn has_suffix(name: &[u8], suffixes: &[&str]) -> bool {
    suffixes.iter().any(|s| name.ends_with(s.as_bytes()))
}

fn is_sample(name: &[u8]) -> bool {
    has_suffix(
        name,
        &[".example", ".sample", ".template", ".dist", ".defaults"],
    )
}

fn has_one(root: &Root, path: &[u8], words: &[&str]) -> io::Result<bool> {
    let mut bytes = Vec::new();
    open_file(root, path)?.take(LIMIT).read_to_end(&mut bytes)?;
    let has = |word: &&str| bytes.windows(word.len()).any(|w| w == word.as_bytes());
    Ok(words.iter().any(has))
}

#[cfg(test)]
mod tests {
    use super::kind_of;

    #[test]
    fn by_name() {
        let kind = |dir: &str, name: &str| {
            let found = kind_of(dir.as_bytes(), name.as_bytes());
            found.map(|(kind, _)| kind)
        };
        assert_eq!(kind(".ssh", "id_ed25519"), Some("SSH private key"));
        assert_eq!(kind("x", "identity"), None);
        assert_eq!(kind("x", "id_rsa.pub"), None);
        assert_eq!(kind(".aws", "credentials"), Some("AWS credentials"));
        assert_eq!(kind("app", "credentials"), None);
        assert_eq!(kind("app", ".env"), Some("environment file"));
        assert_eq!(kind("app", ".env.production"), Some("environment file"));
        assert_eq!(kind("app", ".env.example"), None);
        assert_eq!(kind("certs", "tls.key"), Some("private key"));
        assert_eq!(kind("etc", "passwd"), None);
    }
}
