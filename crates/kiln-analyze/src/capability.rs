//! File capabilities: the kernel's `struct vfs_cap_data` as `getcap` writes it.

use std::fmt::Write;

/// By bit, from `linux/capability.h`.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// `cap_net_raw=ep cap_kill=i`, or a word on why that can't be said.
pub(crate) fn described(value: &[u8]) -> String {
    decoded(value).unwrap_or_else(|| "not understood".to_owned())
}

fn decoded(value: &[u8]) -> Option<String> {
    let words: Vec<u32> = value
        .chunks_exact(4)
        .filter_map(|c| Some(u32::from_le_bytes(c.try_into().ok()?)))
        .collect();
    let (magic, pairs) = words.split_first()?;
    let wide = match magic >> 24 {
        1 => false,
        2 | 3 => true,
        _ => return None,
    };
    let high = |i: usize| {
        if wide { pairs.get(i).copied() } else { Some(0) }
    };
    let join = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
    let permitted = join(*pairs.first()?, high(2)?);
    let inheritable = join(*pairs.get(1)?, high(3)?);
    let effective = magic & 1 != 0;
    let mut out: Vec<(String, String)> = Vec::new();
    for bit in 0..64 {
        let has = |set: u64| set >> bit & 1 != 0;
        let mut flags = String::new();
        if effective && (has(permitted) || has(inheritable)) {
            flags.push('e');
        }
        if has(inheritable) {
            flags.push('i');
        }
        if has(permitted) {
            flags.push('p');
        }
        if !has(permitted) && !has(inheritable) {
            continue;
        }
        let mut name = String::from("cap_");
        match NAMES.get(bit) {
            Some(known) => name.push_str(known),
            None => write!(name, "{bit}").ok()?,
        }
        match out.iter_mut().find(|(_, f)| *f == flags) {
            Some((names, _)) => {
                names.push(',');
                names.push_str(&name);
            }
            None => out.push((name, flags)),
        }
    }
    let parts: Vec<String> = out.into_iter().map(|(n, f)| format!("{n}={f}")).collect();
    Some(parts.join(" "))
}

#[cfg(test)]
mod tests {
    use super::described;

    #[test]
    fn as_getcap_says() {
        let ping = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(described(&ping), "cap_net_raw=ep");
        let two = [0, 0, 0, 2, 0, 4, 0, 0, 32, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        assert_eq!(
            described(&two),
            "cap_kill=i cap_net_bind_service,cap_checkpoint_restore=p"
        );
        for bad in [&[][..], &[1, 0, 0, 2], &[0, 0, 0, 9, 1, 0, 0, 0]] {
            assert_eq!(described(bad), "not understood");
        }
    }
}
