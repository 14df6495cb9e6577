//! `-v`, `--mount` and `--tmpfs`.

use anyhow::{Context as _, Result, bail};
use kiln_build::clean_path;
use kiln_engine::containers::{MountKind, MountSetting};

use super::args::CreateArgs;
use super::flags::bytes;

/// All that is to be mounted.
pub fn all(a: &CreateArgs) -> Result<Vec<MountSetting>> {
    let volumes = a.volume.iter().map(|text| volume(text));
    let mounts = a.mount.iter().map(|text| mount(text));
    let tmpfs = a.tmpfs.iter().map(|text| tmpfs(text));
    volumes.chain(mounts).chain(tmpfs).collect()
}

fn new(kind: MountKind, source: &str, target: &str) -> Result<MountSetting> {
    if !target.starts_with('/') {
        bail!("invalid mount path: '{target}' mount path must be absolute");
    }
    let target = clean_path(target);
    if target == "/" {
        bail!("invalid specification: destination can't be '/'");
    }
    Ok(MountSetting {
        kind,
        source: source.to_owned(),
        target,
        read_only: false,
        options: Vec::new(),
        no_copy: false,
        make_source: false,
        anonymous: false,
    })
}

fn absolute(path: &str) -> Result<String> {
    let path = std::path::absolute(path).with_context(|| format!("invalid path {path:?}"))?;
    path.into_os_string()
        .into_string()
        .ok()
        .context("a path must be UTF-8")
}

/// `[SOURCE:]TARGET[:OPTIONS]`
fn volume(text: &str) -> Result<MountSetting> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts.as_slice() {
        [target] => ("", *target, ""),
        [source, target] => (*source, *target, ""),
        [source, target, options] => (*source, *target, *options),
        _ => bail!("invalid volume specification: '{text}'"),
    };
    if target.is_empty() || (parts.len() > 1 && source.is_empty()) {
        bail!("invalid volume specification: '{text}'");
    }
    let is_path = source.starts_with(['/', '.', '~']);
    let mut m = match is_path {
        true => MountSetting {
            make_source: true,
            ..new(MountKind::Bind, &absolute(source)?, target)?
        },
        false => new(MountKind::Volume, source, target)?,
    };
    for option in options.split(',').filter(|o| !o.is_empty()) {
        match option {
            "ro" => m.read_only = true,
            "nocopy" => m.no_copy = true,
            // All mounts are private; labels are for SELinux, which isn't used.
            "rw" | "z" | "Z" | "private" | "rprivate" => {}
            other => bail!("invalid mode: {other} in '{text}'"),
        }
    }
    Ok(m)
}

/// `TARGET[:OPTIONS]`
fn tmpfs(text: &str) -> Result<MountSetting> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let mut m = new(MountKind::Tmpfs, "", target)?;
    m.options = options
        .split(',')
        .filter(|o| !o.is_empty())
        .map(str::to_owned)
        .collect();
    Ok(m)
}

/// `type=…,source=…,target=…`
fn mount(text: &str) -> Result<MountSetting> {
    let (mut kind, mut source, mut target) = (MountKind::Volume, String::new(), String::new());
    let (mut read_only, mut no_copy) = (false, false);
    let mut options = Vec::new();
    for field in text.split(',') {
        let (key, value) = field.split_once('=').unwrap_or((field, "true"));
        let on = matches!(value, "true" | "1");
        match key {
            "type" => {
                kind = match value {
                    "bind" => MountKind::Bind,
                    "volume" => MountKind::Volume,
                    "tmpfs" => MountKind::Tmpfs,
                    other => {
                        bail!("--mount: type={other} is not supported: bind, volume and tmpfs are")
                    }
                }
            }
            "source" | "src" => source = value.to_owned(),
            "target" | "dst" | "destination" => target = value.to_owned(),
            "readonly" | "ro" => read_only = on,
            "volume-nocopy" => no_copy = on,
            "bind-propagation" if matches!(value, "private" | "rprivate") => {}
            "tmpfs-size" => {
                let size = bytes(value).with_context(|| format!("invalid size: '{value}'"))?;
                options.push(format!("size={size}"));
            }
            "tmpfs-mode" => options.push(format!("mode={value}")),
            _ => bail!("unexpected key or value '{field}' in '{text}'"),
        }
    }
    if target.is_empty() {
        bail!("invalid argument {text:?} for \"--mount\" flag: target is required");
    }
    if kind == MountKind::Bind {
        if source.is_empty() {
            bail!("invalid argument {text:?} for \"--mount\" flag: source is required");
        }
        source = absolute(&source)?;
    }
    if kind == MountKind::Tmpfs && !source.is_empty() {
        bail!("invalid argument {text:?} for \"--mount\" flag: a tmpfs has no source");
    }
    Ok(MountSetting {
        read_only,
        no_copy,
        options,
        ..new(kind, &source, &target)?
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let m = volume("/a:/b:ro").unwrap();
        assert_eq!(
            (m.kind, m.source.as_str(), m.target.as_str(), m.read_only),
            (MountKind::Bind, "/a", "/b", true)
        );
        let m = volume("data:/b/../c").unwrap();
        assert_eq!(
            (m.kind, m.source.as_str(), m.target.as_str()),
            (MountKind::Volume, "data", "/c")
        );
        assert_eq!(volume("/only").unwrap().source, "");
        for bad in ["", ":", "a:b", "a:/b:x", "/a:/", "a:/b:ro:x"] {
            assert!(volume(bad).is_err(), "{bad}");
        }
        let m = mount("type=tmpfs,dst=/t,tmpfs-size=1m,ro").unwrap();
        assert_eq!(
            (m.options, m.read_only),
            (vec!["size=1048576".to_owned()], true)
        );
        for bad in [
            "type=npipe,dst=/x",
            "type=bind,dst=/x",
            "dst=x",
            "type=tmpfs,src=a,dst=/x",
            "foo",
        ] {
            assert!(mount(bad).is_err(), "{bad}");
        }
        assert_eq!(tmpfs("/t:size=1m,exec").unwrap().options.len(), 2);
    }
}
