//! Files from elsewhere: `ADD https://…` and `ADD …​.git`, and contexts given so.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{BuildError, IoContext};

/// The largest file that is fetched: 16 GiB.
const MAX_DOWNLOAD: u64 = 16 << 30;

/// A downloaded file.
pub struct Download {
    /// Where it lies.
    pub file: PathBuf,
    /// The name it would be saved under.
    pub name: String,
    /// `Last-Modified`, in seconds since 1970.
    pub modified: Option<i64>,
}

/// Shows a URL without the credentials in it.
pub fn redact(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = host.rsplit('@').next().unwrap_or(host);
            let slash = if rest.contains('/') { "/" } else { "" };
            format!("{scheme}://{host}{slash}{path}")
        }
        None => url.to_owned(),
    }
}

/// Fetches a URL into `dir`.
pub fn download(url: &str, dir: &Path) -> Result<Download, BuildError> {
    let shown = redact(url);
    let bad = |e: &dyn std::fmt::Display| BuildError::new(format!("fetching {shown}: {e}"));
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .user_agent(concat!("kiln/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(std::time::Duration::from_secs(30)))
        .build()
        .into();
    let mut response = agent.get(url).call().map_err(|e| bad(&e))?;
    let header = |name: &str| {
        response
            .headers()
            .get(name)
            .and_then(|v| v.to_str().ok())
            .map(String::from)
    };
    let modified = header("last-modified")
        .and_then(|t| jiff::fmt::rfc2822::parse(&t.replace("GMT", "+0000")).ok())
        .map(|t| t.timestamp().as_second());
    let name = header("content-disposition")
        .and_then(|d| {
            let (_, n) = d.split_once("filename=")?;
            Some(n.split(';').next()?.trim_matches([' ', '"']).to_owned())
        })
        .or_else(|| {
            let path = url.split(['?', '#']).next()?.split_once("://")?.1;
            path.split_once('/')?.1.rsplit('/').next().map(String::from)
        })
        .filter(|n| !n.is_empty() && !n.contains('/') && n != "." && n != "..")
        .unwrap_or_default();
    let file = dir.join("download");
    let mut out = std::fs::File::create(&file).context("creating", &file)?;
    let mut body = response.body_mut().as_reader().take(MAX_DOWNLOAD + 1);
    let n = std::io::copy(&mut body, &mut out).map_err(|e| bad(&e))?;
    if n > MAX_DOWNLOAD {
        return Err(bad(&"the file is larger than 16 GiB"));
    }
    Ok(Download {
        file,
        name,
        modified,
    })
}

/// A git URL taken apart: `URL#ref:subdir`.
#[derive(Debug, PartialEq)]
pub struct GitSource {
    /// What git is given.
    pub url: String,
    /// Branch, tag or commit; the remote's HEAD when empty.
    pub reference: String,
    /// Directory in the repository.
    pub subdir: String,
}

/// Takes a git URL apart; nothing where the text is no git URL.
pub fn parse_git(text: &str) -> Option<GitSource> {
    let (url, fragment) = text.split_once('#').unwrap_or((text, ""));
    let is_git = url.starts_with("git@")
        || url.starts_with("git://")
        || url.starts_with("ssh://")
        || ((url.starts_with("http://") || url.starts_with("https://")) && url.ends_with(".git"))
        || url.starts_with("github.com/");
    let (reference, subdir) = fragment.split_once(':').unwrap_or((fragment, ""));
    is_git.then(|| GitSource {
        url: match url.strip_prefix("github.com/") {
            Some(rest) => format!("https://github.com/{rest}"),
            None => url.to_owned(),
        },
        reference: reference.to_owned(),
        subdir: subdir.to_owned(),
    })
}

/// Checks the repository out below `dir`; returns the directory asked for.
///
/// git runs without a shell, without the user's configuration and hooks, and refuses local
/// repositories; names that it could take for options are refused here.
pub fn git_checkout(source: &GitSource, dir: &Path, keep_git: bool) -> Result<PathBuf, BuildError> {
    let shown = redact(&source.url);
    let tree = dir.join("tree");
    std::fs::create_dir_all(&tree).context("creating", &tree)?;
    for name in [&source.url, &source.reference] {
        if name.starts_with('-') {
            return Err(BuildError::new(format!(
                "git {shown}: {name:?} looks like an option"
            )));
        }
    }
    let git = |args: &[&str]| -> Result<(), BuildError> {
        let out = Command::new("git")
            .current_dir(&tree)
            .args([
                "-c",
                "protocol.file.allow=never",
                "-c",
                "core.hooksPath=/dev/null",
            ])
            .args([
                "-c",
                "init.defaultBranch=main",
                "-c",
                "advice.detachedHead=false",
            ])
            .args(args)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .stdin(Stdio::null())
            .output()
            .map_err(|e| {
                BuildError::new(format!("running git: {e}"))
                    .hint("install git, or give a tar as the context")
            })?;
        if out.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&out.stderr).replace(&source.url, &shown);
        Err(BuildError::new(format!(
            "git {} of {shown} failed: {}",
            args.first().unwrap_or(&""),
            text.trim()
        )))
    };
    git(&["init", "-q"])?;
    git(&["remote", "add", "origin", "--", &source.url])?;
    let wanted = if source.reference.is_empty() {
        "HEAD"
    } else {
        &source.reference
    };
    // A commit that the server does not advertise needs the whole history.
    if git(&["fetch", "-q", "--depth=1", "origin", "--", wanted]).is_err() {
        git(&[
            "fetch",
            "-q",
            "--tags",
            "origin",
            "--",
            "+refs/heads/*:refs/remotes/origin/*",
        ])?;
        if source.reference.is_empty() {
            git(&["remote", "set-head", "origin", "--auto"])?;
            git(&["checkout", "-q", "origin/HEAD", "--"])?;
        } else {
            git(&["checkout", "-q", wanted, "--"])?;
        }
    } else {
        git(&["checkout", "-q", "FETCH_HEAD", "--"])?;
    }
    git(&[
        "submodule",
        "-q",
        "update",
        "--init",
        "--recursive",
        "--depth=1",
    ])?;
    if !keep_git {
        let _ = std::fs::remove_dir_all(tree.join(".git"));
    }
    if source.subdir.is_empty() {
        return Ok(tree);
    }
    if source.subdir.split('/').any(|p| p == "..") {
        return Err(BuildError::new(format!(
            "git {shown}: the directory {:?} leaves the repository",
            source.subdir
        )));
    }
    let base = tree.canonicalize().context("opening", &tree)?;
    let sub = tree.join(source.subdir.trim_start_matches('/'));
    let real = sub
        .canonicalize()
        .map_err(|_| BuildError::new(format!("git {shown}: no directory {:?}", source.subdir)))?;
    if !real.starts_with(&base) || !real.is_dir() {
        return Err(BuildError::new(format!(
            "git {shown}: {:?} is no directory of the repository",
            source.subdir
        )));
    }
    Ok(real)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn git_urls() {
        let g = parse_git("https://h/x.git#v1:sub/dir").unwrap();
        assert_eq!((g.reference.as_str(), g.subdir.as_str()), ("v1", "sub/dir"));
        assert!(parse_git("https://h/x.tar").is_none());
        assert!(parse_git("./dir").is_none());
        assert_eq!(redact("https://u:p@h/x?y"), "https://h/x?y");
    }

    #[test]
    fn options_in_refs_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let source = GitSource {
            url: "https://127.0.0.1:1/x.git".into(),
            reference: "--upload-pack=touch /tmp/x".into(),
            subdir: String::new(),
        };
        let e = git_checkout(&source, dir.path(), false).unwrap_err();
        assert!(e.to_string().contains("option"), "{e}");
    }
}
