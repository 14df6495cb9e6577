//! The flags of `run` and `create` to what the engine takes.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use kiln_build::duration::parse_go_duration;
use kiln_engine::containers::{Port, Request, Settings};
use kiln_oci::Healthcheck;

use super::args::CreateArgs;
use super::mounts;

/// What the engine is to make.
pub fn request(a: &CreateArgs, detach: bool) -> Result<Request> {
    if a.privileged {
        bail!(
            "--privileged is not supported: containers never get all of the host's rights; \
             give single ones with --cap-add"
        );
    }
    if a.rm && a.cidfile.is_none() && a.image.is_empty() {
        bail!("an image is needed");
    }
    let (env, env_removed) = environment(&a.env_file, &a.env)?;
    let (ports, mut exposed) = ports(&a.publish)?;
    for port in &a.expose {
        exposed.push(match port.contains('/') {
            true => port.clone(),
            false => format!("{port}/tcp"),
        });
    }
    let network = match a.network.as_str() {
        "default" | "bridge" => "default",
        "host" => "host",
        "none" => "none",
        other => bail!("network {other} not found: networks are default, host and none"),
    };
    if network != "default" && !ports.is_empty() {
        bail!("-p needs a network of the container's own: it doesn't go with --network {network}");
    }
    let memory = match &a.memory {
        Some(text) => bytes(text).with_context(|| format!("invalid size: '{text}'"))?,
        None => 0,
    };
    if memory > 0 && memory < 6 << 20 {
        bail!("Minimum memory limit allowed is 6MB");
    }
    let attach = attached(a, detach)?;
    let settings = Settings {
        hostname: a.hostname.clone().unwrap_or_default(),
        tty: a.tty,
        open_stdin: a.interactive,
        stdin_once: a.interactive && !detach,
        attach,
        auto_remove: a.rm,
        network: network.to_owned(),
        hosts: hosts(&a.add_host)?,
        ports,
        mounts: mounts::all(a)?,
        read_only: a.read_only,
        cap_add: a.cap_add.clone(),
        cap_drop: a.cap_drop.clone(),
        memory,
        nano_cpus: match &a.cpus {
            Some(text) => cpus(text)?,
            None => 0,
        },
        pids_limit: a
            .pids_limit
            .and_then(|n| u64::try_from(n).ok())
            .unwrap_or(0),
        init: a.init,
        stop_timeout: a.stop_timeout,
        ..Settings::default()
    };
    let (image, command) = match a.image.split_first() {
        Some((image, command)) => (image.clone(), command.to_vec()),
        None => bail!("an image is needed"),
    };
    Ok(Request {
        image,
        name: a.name.clone(),
        command,
        entrypoint: a.entrypoint.clone(),
        env,
        env_removed,
        cwd: a.workdir.clone(),
        user: a.user.clone(),
        stop_signal: a.stop_signal.clone(),
        labels: labels(&a.label),
        exposed,
        health: health(a)?,
        settings,
    })
}

fn attached(a: &CreateArgs, detach: bool) -> Result<(bool, bool, bool)> {
    if detach {
        if !a.attach.is_empty() {
            bail!("Conflicting options: -a and -d");
        }
        return Ok((false, false, false));
    }
    if a.attach.is_empty() {
        return Ok((a.interactive, true, true));
    }
    let mut out = (false, false, false);
    for stream in &a.attach {
        match stream.to_ascii_lowercase().as_str() {
            "stdin" => out.0 = a.interactive,
            "stdout" => out.1 = true,
            "stderr" => out.2 = true,
            other => bail!("valid streams are STDIN, STDOUT and STDERR, not {other}"),
        }
    }
    Ok(out)
}

/// `NAME=VALUE`, and the names that are taken away: those without a value here or there.
pub fn environment(
    files: &[impl AsRef<Path>],
    flags: &[String],
) -> Result<(Vec<String>, Vec<String>)> {
    let mut given = Vec::new();
    for file in files {
        let file = file.as_ref();
        let text =
            std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        for line in text.lines().map(str::trim_start) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let name = line.split('=').next().unwrap_or_default();
            if name.is_empty() || name.contains(char::is_whitespace) {
                bail!(
                    "poorly formatted environment: variable '{name}' in {} contains whitespaces \
                     or is empty",
                    file.display()
                );
            }
            given.push(line.to_owned());
        }
    }
    given.extend(flags.iter().cloned());
    let (mut env, mut removed) = (Vec::new(), Vec::new());
    for entry in given {
        if entry.starts_with('=') || entry.is_empty() {
            bail!("invalid environment variable: {entry}");
        }
        match (entry.contains('='), std::env::var(&entry)) {
            (true, _) => env.push(entry),
            (false, Ok(value)) => env.push(format!("{entry}={value}")),
            (false, Err(_)) => removed.push(entry),
        }
    }
    Ok((env, removed))
}

/// `KEY=VALUE` or `KEY`.
pub fn labels(flags: &[String]) -> BTreeMap<String, String> {
    flags
        .iter()
        .map(|label| {
            let (key, value) = label.split_once('=').unwrap_or((label, ""));
            (key.to_owned(), value.to_owned())
        })
        .collect()
}

fn hosts(flags: &[String]) -> Result<Vec<(String, String)>> {
    flags
        .iter()
        .map(|text| {
            let pair = text.split_once(':').or_else(|| text.split_once('='));
            match pair {
                Some((host, address))
                    if !host.is_empty()
                        && address
                            .trim_matches(['[', ']'])
                            .parse::<std::net::IpAddr>()
                            .is_ok() =>
                {
                    Ok((host.to_owned(), address.trim_matches(['[', ']']).to_owned()))
                }
                _ => bail!("bad format for add-host: {text:?}: it takes HOST:IP"),
            }
        })
        .collect()
}

/// A size as docker writes it: `512m`, `2gb`, `1048576`.
pub fn bytes(text: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let number = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match lower[number.len()..]
        .trim_end_matches('b')
        .trim_end_matches('i')
    {
        "" => 1u64,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        _ => return None,
    };
    let number: f64 = number.trim().parse().ok().filter(|n: &f64| *n >= 0.0)?;
    Some((number * factor as f64) as u64)
}

fn cpus(text: &str) -> Result<u64> {
    let number: f64 = text
        .parse()
        .ok()
        .filter(|n: &f64| n.is_finite() && *n >= 0.0)
        .with_context(|| format!("failed to parse {text} as a rational number"))?;
    if number > 0.0 && number < 0.01 {
        bail!("Range of CPUs is from 0.01 on");
    }
    Ok((number * 1e9).round() as u64)
}

fn health(a: &CreateArgs) -> Result<Option<Healthcheck>> {
    let time = |flag: &str, text: &Option<String>| -> Result<i64> {
        let Some(text) = text else { return Ok(0) };
        match parse_go_duration(text) {
            Some(nanos) if nanos == 0 || nanos >= 1_000_000 => Ok(nanos),
            Some(_) => bail!("--{flag} cannot be less than 1ms"),
            None => bail!("invalid argument {text:?} for --{flag}: a time looks like 30s or 1m30s"),
        }
    };
    let given = Healthcheck {
        test: match &a.health_cmd {
            Some(command) => vec!["CMD-SHELL".to_owned(), command.clone()],
            None => Vec::new(),
        },
        interval: time("health-interval", &a.health_interval)?,
        timeout: time("health-timeout", &a.health_timeout)?,
        start_period: time("health-start-period", &a.health_start_period)?,
        start_interval: 0,
        retries: a.health_retries.unwrap_or(0).into(),
    };
    let any = given != Healthcheck::default();
    if a.no_healthcheck {
        if any {
            bail!("--no-healthcheck conflicts with --health-* options");
        }
        return Ok(Some(Healthcheck {
            test: vec!["NONE".to_owned()],
            ..Healthcheck::default()
        }));
    }
    Ok(any.then_some(given))
}

/// `-p`: the ports, and the container's side of each.
fn ports(flags: &[String]) -> Result<(Vec<Port>, Vec<String>)> {
    let (mut out, mut exposed) = (Vec::new(), Vec::new());
    for text in flags {
        let bad =
            || format!("Invalid containerPort: {text}: -p takes [[IP:]HOST:]CONTAINER[/PROTOCOL]");
        let (rest, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
        if !matches!(protocol, "tcp" | "udp") {
            bail!("invalid protocol {protocol:?} in {text:?}: tcp and udp can be published");
        }
        let (rest, container) = rest.rsplit_once(':').unwrap_or(("", rest));
        let (ip, host) = match rest.rsplit_once(':') {
            Some((ip, host)) => (ip.trim_matches(['[', ']']), host),
            None if rest.contains('.') => (rest, ""),
            None => ("", rest),
        };
        let range = |text: &str| -> Option<(u16, u16)> {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            (first > 0 && first <= last).then_some((first, last))
        };
        let container = range(container).with_context(bad)?;
        let host = match host {
            "" => container,
            text => range(text).with_context(bad)?,
        };
        if host.1 - host.0 != container.1 - container.0 {
            bail!("Invalid ranges specified for container and host Ports: {text}");
        }
        if !ip.is_empty() && ip.parse::<std::net::IpAddr>().is_err() {
            bail!("Invalid ip address: {ip}");
        }
        for offset in 0..=container.1 - container.0 {
            exposed.push(format!("{}/{protocol}", container.0 + offset));
            out.push(Port {
                host_ip: ip.to_owned(),
                host: host.0 + offset,
                container: container.0 + offset,
                protocol: protocol.to_owned(),
            });
        }
    }
    Ok((out, exposed))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_shares() {
        assert_eq!(bytes("512m"), Some(512 << 20));
        assert_eq!(bytes("1.5GB"), Some(3 << 29));
        assert_eq!(bytes("64"), Some(64));
        assert_eq!(bytes("12x"), None);
        assert_eq!(cpus("0.5").unwrap(), 500_000_000);
        assert!(cpus("-1").is_err());
    }

    #[test]
    fn published_ports() {
        let all = |s: &str| ports(&[s.to_owned()]).map(|(p, _)| p);
        let one = |s| all(s).unwrap()[0].clone();
        assert_eq!((one("8080:80").host, one("8080:80").container), (8080, 80));
        assert_eq!(one("127.0.0.1:53:53/udp").protocol, "udp");
        assert_eq!(one("[::1]:1:2").host_ip, "::1");
        assert_eq!(one("80").host, 80);
        assert_eq!(all("7000-7002:80-82").unwrap().len(), 3);
        for bad in ["x:80", "80:x", "0:1", "1-2:3", "1.2.3:1:2", "80/sctp"] {
            assert!(all(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn variables_without_a_value() {
        let (env, removed) =
            environment(&[] as &[&Path], &["A=1".into(), "KILN_NO_SUCH".into()]).unwrap();
        assert_eq!(
            (env, removed),
            (vec!["A=1".into()], vec!["KILN_NO_SUCH".into()])
        );
    }
}
