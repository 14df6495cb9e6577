//! Capabilities by name.

use rustix::thread::CapabilitySet;

/// The names in the order of their numbers, without `CAP_`.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// Docker's default capabilities.
pub(crate) const DEFAULT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::AUDIT_WRITE);

/// Docker's default capabilities with some more and some less; the names are
/// those of `--cap-add` and `--cap-drop`. An unknown one is the error.
///
/// What is added counts for more than what is dropped, as with docker, where
/// only `--cap-drop ALL` goes before.
pub fn capabilities(add: &[String], drop: &[String]) -> Result<u64, String> {
    let all = (1u64 << NAMES.len()) - 1;
    let all_of = |list: &[String]| list.iter().any(|name| plain(name) == "ALL");
    let bits = |list: &[String]| -> Result<u64, String> {
        let mut bits = 0;
        for name in list.iter().filter(|name| plain(name) != "ALL") {
            let plain = plain(name);
            let number = NAMES.iter().position(|n| *n == plain);
            bits |= 1u64 << number.ok_or_else(|| name.clone())?;
        }
        Ok(bits)
    };
    let (added, dropped) = (bits(add)?, bits(drop)?);
    Ok(match (all_of(add), all_of(drop)) {
        (true, _) => all & !dropped,
        (_, true) => added,
        _ => (DEFAULT.bits() | added) & !(dropped & !added),
    })
}

fn plain(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    upper.strip_prefix("CAP_").unwrap_or(&upper).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(add: &[&str], drop: &[&str]) -> Result<u64, String> {
        let owned = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        capabilities(&owned(add), &owned(drop))
    }

    #[test]
    fn names_are_numbers() {
        let default = DEFAULT.bits();
        assert_eq!(set(&[], &[]), Ok(default));
        assert_eq!(default, 0xa804_25fb, "Docker's set");
        assert_eq!(set(&["sys_admin"], &[]), Ok(default | 1 << 21));
        assert_eq!(set(&[], &["CAP_CHOWN"]), Ok(default & !1));
        assert_eq!(set(&["KILL"], &["ALL"]), Ok(1 << 5));
        assert_eq!(set(&["ALL"], &["BPF"]), Ok((1 << 41) - 1 - (1 << 39)));
        assert_eq!(set(&["NOPE"], &[]), Err("NOPE".to_owned()));
    }
}
