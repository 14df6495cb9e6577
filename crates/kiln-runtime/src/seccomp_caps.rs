//! Facts: the system calls Docker's default profile allows to a process with
//! more capabilities than Docker gives by default.

use libc::{
    SYS_acct, SYS_bpf, SYS_clock_settime, SYS_clone, SYS_clone3, SYS_delete_module,
    SYS_fanotify_init, SYS_finit_module, SYS_fsconfig, SYS_fsmount, SYS_fsopen, SYS_fspick,
    SYS_get_mempolicy, SYS_init_module, SYS_kcmp, SYS_mbind, SYS_mount, SYS_mount_setattr,
    SYS_move_mount, SYS_open_by_handle_at, SYS_open_tree, SYS_perf_event_open, SYS_pidfd_getfd,
    SYS_process_madvise, SYS_process_vm_readv, SYS_process_vm_writev, SYS_ptrace, SYS_quotactl,
    SYS_reboot, SYS_set_mempolicy, SYS_setdomainname, SYS_sethostname, SYS_setns, SYS_settimeofday,
    SYS_syslog, SYS_umount2, SYS_unshare, SYS_vhangup,
};
use rustix::thread::CapabilitySet;

const BY_CAPABILITY: &[(CapabilitySet, &[libc::c_long])] = &[
    (CapabilitySet::DAC_READ_SEARCH, &[SYS_open_by_handle_at]),
    (
        CapabilitySet::SYS_ADMIN,
        &[
            SYS_bpf,
            SYS_clone,
            SYS_clone3,
            SYS_fanotify_init,
            SYS_fsconfig,
            SYS_fsmount,
            SYS_fsopen,
            SYS_fspick,
            SYS_mount,
            SYS_mount_setattr,
            SYS_move_mount,
            SYS_open_tree,
            SYS_perf_event_open,
            SYS_quotactl,
            SYS_setdomainname,
            SYS_sethostname,
            SYS_setns,
            SYS_syslog,
            SYS_umount2,
            SYS_unshare,
        ],
    ),
    (CapabilitySet::SYS_BOOT, &[SYS_reboot]),
    (
        CapabilitySet::SYS_MODULE,
        &[SYS_delete_module, SYS_init_module, SYS_finit_module],
    ),
    (CapabilitySet::SYS_PACCT, &[SYS_acct]),
    (
        CapabilitySet::SYS_PTRACE,
        &[
            SYS_kcmp,
            SYS_pidfd_getfd,
            SYS_process_madvise,
            SYS_process_vm_readv,
            SYS_process_vm_writev,
            SYS_ptrace,
        ],
    ),
    (
        CapabilitySet::SYS_TIME,
        &[SYS_settimeofday, SYS_clock_settime],
    ),
    (CapabilitySet::SYS_TTY_CONFIG, &[SYS_vhangup]),
    (
        CapabilitySet::SYS_NICE,
        &[SYS_get_mempolicy, SYS_mbind, SYS_set_mempolicy],
    ),
    (CapabilitySet::SYSLOG, &[SYS_syslog]),
    (CapabilitySet::BPF, &[SYS_bpf]),
    (CapabilitySet::PERFMON, &[SYS_perf_event_open]),
];

/// The numbers of what these capabilities add.
pub(crate) fn allowed_by(caps: CapabilitySet) -> impl Iterator<Item = i32> {
    let rows = BY_CAPABILITY.iter();
    rows.filter(move |(cap, _)| caps.contains(*cap))
        .flat_map(|(_, numbers)| numbers.iter())
        .filter_map(|number| i32::try_from(*number).ok())
}
