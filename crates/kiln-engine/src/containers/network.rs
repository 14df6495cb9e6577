//! How a container reaches the network.

use std::net::IpAddr;
use std::path::PathBuf;

use kiln_runtime::{Network, UserNetwork};
use serde_json::json;

use super::Failure;
use super::settings::{Port, Settings};

/// The program and its arguments, and what `/etc/resolv.conf` says then.
type Program = (UserNetwork, String);

/// In the container's directory.
const SOCKET: &str = "network";

/// Answers to names in a container whose host only has a resolver of its own.
const RESOLVER: &str = "169.254.1.1";

/// Finds a program that gives a container a network of its own without root.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin:/usr/sbin:/sbin".into());
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// Of the programs that are installed the one that starts sooner: pasta copies the host's addresses
/// and routes, which takes most of the time that a short container has. It also needs some to copy.
fn program(ports: &[Port]) -> Option<Program> {
    let slirp4netns = find("slirp4netns").map(|file| slirp(file, ports));
    slirp4netns.or_else(|| find("pasta").map(|file| pasta(file, ports)))
}

/// The network of a container, and the program that makes it where one does.
pub(super) fn choose(settings: &Settings) -> Result<(Network, Option<Program>), Failure> {
    match settings.network.as_str() {
        "none" => Ok((Network::None, None)),
        "host" => Ok((Network::Host, None)),
        _ => match program(&settings.ports) {
            Some(program) => Ok((Network::None, Some(program))),
            None if settings.ports.is_empty() => Ok((Network::Host, None)),
            None => Err(Failure::new(
                "-p needs a network of the container's own: install pasta (package passt) or \
                 slirp4netns",
            )),
        },
    }
}

/// Whether a container gets the host's network for want of a program.
pub(super) fn falls_back(settings: &Settings) -> bool {
    settings.network != "host" && matches!(choose(settings), Ok((Network::Host, _)))
}

fn taken(port: &Port) -> String {
    let host = match port.host_ip.as_str() {
        "" => "0.0.0.0",
        ip => ip,
    };
    format!(
        "Bind for {host}:{} failed: port is already allocated, or not for this user to use",
        port.host
    )
}

fn pasta(program: PathBuf, ports: &[Port]) -> Program {
    let mut arguments: Vec<String> = [
        "--foreground",
        "--quiet",
        "--config-net",
        "--no-map-gw",
        "--ns-ifname=tap0",
        "--mtu=65520",
        "--netns=/proc/self/fd/0",
        "--pid=/proc/self/fd/1",
        // As another user it would no longer be killed with its parent.
        "--runas=0",
        // Nothing of the host's loopback.
        "--tcp-ns=none",
        "--udp-ns=none",
    ]
    .map(str::to_owned)
    .to_vec();
    let mut complaints = Vec::new();
    for (option, protocol) in [("-t", "tcp"), ("-u", "udp")] {
        let of = ports.iter().filter(|p| p.protocol == protocol);
        let before = arguments.len();
        for port in of {
            let pair = format!("{}:{}", port.host, port.container);
            let value = match port.host_ip.as_str() {
                "" => pair,
                ip => format!("{ip}/{pair}"),
            };
            complaints.push((format!("'{option} {value}'"), taken(port)));
            arguments.extend([option.to_owned(), value]);
        }
        if arguments.len() == before {
            arguments.extend([option.to_owned(), "none".to_owned()]);
        }
    }
    let (resolv_conf, forwarded) =
        resolver(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default());
    if forwarded {
        arguments.extend(["--dns-forward".to_owned(), RESOLVER.to_owned()]);
    }
    let network = UserNetwork {
        program,
        arguments,
        takes_namespace: true,
        socket: SOCKET.to_owned(),
        requests: Vec::new(),
        complaints,
    };
    (network, resolv_conf)
}

/// The host's `/etc/resolv.conf` without what only the host can reach, and
/// whether a resolver has to stand in for that.
fn resolver(host: &str) -> (String, bool) {
    let mut text = String::new();
    let mut servers = 0;
    let mut local = false;
    for line in host.lines() {
        let mut words = line.split_whitespace();
        if words.next() == Some("nameserver") {
            let ip = words.next().and_then(|w| w.parse::<IpAddr>().ok());
            match ip {
                Some(ip) if !ip.is_loopback() => servers += 1,
                _ => {
                    local |= ip.is_some();
                    continue;
                }
            }
        }
        text.push_str(line);
        text.push('\n');
    }
    let forwarded = servers == 0 && local;
    if forwarded {
        text.push_str(&format!("nameserver {RESOLVER}\n"));
    }
    (text, forwarded)
}

fn slirp(program: PathBuf, ports: &[Port]) -> Program {
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
        (taken(port), request.to_string())
    });
    (
        UserNetwork {
            program,
            arguments: arguments.into_iter().map(str::to_owned).collect(),
            takes_namespace: false,
            socket: SOCKET.to_owned(),
            requests: requests.collect(),
            complaints: Vec::new(),
        },
        "nameserver 10.0.2.3\n".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_of_the_host_alone() {
        let both = "search a.test\nnameserver 127.0.0.53\nnameserver 192.0.2.1\noptions edns0\n";
        assert_eq!(
            resolver(both),
            (
                "search a.test\nnameserver 192.0.2.1\noptions edns0\n".to_owned(),
                false
            )
        );
        let local = "nameserver ::1\nnameserver 127.0.0.53\noptions edns0\n";
        assert_eq!(
            resolver(local),
            (format!("options edns0\nnameserver {RESOLVER}\n"), true)
        );
        assert_eq!(resolver("nameserver\n"), (String::new(), false));
    }
}
