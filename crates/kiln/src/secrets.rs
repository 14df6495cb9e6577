//! `--secret` and `--ssh`: what a build may see of its user's own.

use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use kiln_build::mounts::MAX_SECRET;
use kiln_build::options::SecretSource;

/// The secrets by their ids; of one given twice the last counts.
pub fn secrets(specs: &[String]) -> Result<BTreeMap<String, SecretSource>> {
    let there = |name: &str| std::env::var_os(name).is_some();
    let mut out = BTreeMap::new();
    for spec in specs {
        let (id, source) = secret(spec, there).with_context(|| format!("--secret {spec:?}"))?;
        if let SecretSource::File(path) = &source {
            let meta = std::fs::metadata(path)
                .with_context(|| format!("--secret {id}: {}", path.display()))?;
            if meta.len() > MAX_SECRET {
                bail!("--secret {id}: too big: the limit is 500 KiB");
            }
        }
        out.insert(id, source);
    }
    Ok(out)
}

/// `id=…[,src=…|,env=…][,type=file|env]`
fn secret(spec: &str, is_variable: impl Fn(&str) -> bool) -> Result<(String, SecretSource)> {
    let (mut id, mut src, mut env, mut kind) = (None, None, None, None);
    for field in spec.split(',') {
        let Some((key, value)) = field.split_once('=') else {
            bail!("invalid field {field:?}: must be key=value");
        };
        match key.to_ascii_lowercase().as_str() {
            "id" => id = Some(value),
            "src" | "source" => src = Some(value),
            "env" => env = Some(value),
            "type" if matches!(value, "file" | "env") => kind = Some(value),
            "type" => bail!("unsupported secret type {value:?} (file, env)"),
            _ => bail!("unexpected key {key:?} (id, src, env, type)"),
        }
    }
    let known = |text: Option<&str>| text.filter(|t| !t.is_empty()).map(str::to_owned);
    let Some(id) = known(id) else {
        bail!("the id is missing: id=NAME");
    };
    let (mut src, mut env) = (known(src), known(env));
    match (kind, &src, &env) {
        (_, Some(_), Some(_)) => bail!("src and env can't both be the source"),
        (Some("file"), _, Some(_)) => bail!("type=file with env=…"),
        // The file's name is the variable's here.
        (Some("env"), Some(_), None) => env = src.take(),
        (Some("env"), None, None) => env = Some(id.clone()),
        (None, None, None) if is_variable(&id) => env = Some(id.clone()),
        (_, None, None) => src = Some(id.clone()),
        _ => {}
    }
    Ok((
        id,
        match env {
            Some(name) => SecretSource::Env(name),
            None => SecretSource::File(src.unwrap_or_default().into()),
        },
    ))
}

/// The agents' sockets by their ids.
pub fn agents(specs: &[String]) -> Result<BTreeMap<String, PathBuf>> {
    let mut out = BTreeMap::new();
    for spec in specs {
        let (id, path) = agent(spec, std::env::var("SSH_AUTH_SOCK").ok().as_deref())?;
        is_socket(&path).with_context(|| format!("--ssh {spec}: {}", path.display()))?;
        if out.insert(id.clone(), path).is_some() {
            bail!("--ssh {spec}: {id} is given twice");
        }
    }
    Ok(out)
}

/// `default`, `ID` or `ID=SOCKET`
fn agent(spec: &str, usual: Option<&str>) -> Result<(String, PathBuf)> {
    let (id, path) = spec.split_once('=').unwrap_or((spec, ""));
    let id = if id.is_empty() { "default" } else { id };
    if path.contains(',') {
        bail!("--ssh {spec}: only one socket; keys are given to it with ssh-add");
    }
    let path = match (path, usual) {
        ("", Some(path)) if !path.is_empty() => path,
        ("", _) => {
            bail!(
                "--ssh {spec}: there is no agent: SSH_AUTH_SOCK is not set; start one, or name its socket with {id}=SOCKET"
            )
        }
        (path, _) => path,
    };
    Ok((id.to_owned(), path.into()))
}

fn is_socket(path: &Path) -> Result<()> {
    let meta = std::fs::metadata(path)?;
    if !meta.file_type().is_socket() {
        bail!(
            "not a socket; key files are not supported: give the key to an agent (ssh-add), and name the agent's socket"
        );
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parsed(spec: &str) -> Option<(String, SecretSource)> {
        secret(spec, |name| name == "SET").ok()
    }

    #[test]
    fn forms_of_secrets() {
        let file = |id: &str, path: &str| Some((id.to_owned(), SecretSource::File(path.into())));
        let env = |id: &str, name: &str| Some((id.to_owned(), SecretSource::Env(name.into())));
        assert_eq!(parsed("id=a,src=/f"), file("a", "/f"));
        assert_eq!(parsed("type=file,id=a,source=/f"), file("a", "/f"));
        assert_eq!(parsed("id=a,env=B"), env("a", "B"));
        assert_eq!(parsed("id=a,type=env,src=B"), env("a", "B"));
        assert_eq!(parsed("id=a,type=env"), env("a", "a"));
        assert_eq!(parsed("id=SET"), env("SET", "SET"));
        assert_eq!(parsed("id=SET,type=file"), file("SET", "SET"));
        assert_eq!(parsed("ID=other"), file("other", "other"));
        for bad in [
            "",
            "a",
            "src=/f",
            "id=",
            "id=a,type=x",
            "id=a,nope=b",
            "id=a,src=b,env=c",
        ] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }

    #[test]
    fn forms_of_agents() {
        let path = |spec: &str, usual| {
            agent(spec, usual)
                .ok()
                .map(|(id, p)| format!("{id} {}", p.display()))
        };
        assert_eq!(path("default", Some("/s")).unwrap(), "default /s");
        assert_eq!(path("", Some("/s")).unwrap(), "default /s");
        assert_eq!(path("k=/t", Some("/s")).unwrap(), "k /t");
        assert_eq!(path("k", None), None);
        assert_eq!(path("k=", Some("")), None);
        assert_eq!(path("k=/a,/b", None), None);
    }
}
