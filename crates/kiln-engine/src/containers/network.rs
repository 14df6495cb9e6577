//! How a container reaches the network.

use std::path::PathBuf;

use kiln_runtime::{Network, UserNetwork};
use serde_json::json;

use super::Failure;
use super::settings::{Port, Settings};

/// The program and its arguments, and what `/etc/resolv.conf` says then.
type Program = (UserNetwork, String);

/// The program that gives a container a network of its own without root.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin:/usr/sbin:/sbin".into());
    std::env::split_paths(&path)
        .map(|dir| dir.join("slirp4netns"))
        .find(|file| file.is_file())
}

/// The network of a container, and the program that makes it where one does.
pub(super) fn choose(settings: &Settings) -> Result<(Network, Option<Program>), Failure> {
    let published = || -> Result<(), Failure> {
        match settings.ports.is_empty() {
            true => Ok(()),
            false => Err(Failure::new(
                "-p needs a network of the container's own: install slirp4netns",
            )),
        }
    };
    match settings.network.as_str() {
        "none" => Ok((Network::None, None)),
        "host" => Ok((Network::Host, None)),
        _ => match program() {
            Some(file) => Ok((Network::None, Some(slirp(file, &settings.ports)))),
            None => {
                published()?;
                Ok((Network::Host, None))
            }
        },
    }
}

fn slirp(program: PathBuf, ports: &[Port]) -> Program {
    const SOCKET: &str = "network";
    let mut arguments = vec![
        "--configure",
        "--mtu=65520",
        "--disable-host-loopback",
        "--exit-fd=0",
        "--ready-fd=1",
    ];
    if !ports.is_empty() {
        arguments.extend(["--api-socket", SOCKET]);
    }
    arguments.extend(["{pid}", "tap0"]);
    let requests = ports.iter().map(|port| {
        let host = if port.host_ip.is_empty() {
            "0.0.0.0"
        } else {
            &port.host_ip
        };
        let request = json!({
            "execute": "add_hostfwd",
            "arguments": {
                "proto": port.protocol,
                "host_addr": host,
                "host_port": port.host,
                "guest_port": port.container,
            },
        });
        let refused = format!(
            "Bind for {host}:{} failed: port is already allocated, or not for this user to use",
            port.host
        );
        (refused, request.to_string())
    });
    (
        UserNetwork {
            program,
            arguments: arguments.into_iter().map(str::to_owned).collect(),
            socket: SOCKET.to_owned(),
            requests: requests.collect(),
        },
        "nameserver 10.0.2.3\n".to_owned(),
    )
}
