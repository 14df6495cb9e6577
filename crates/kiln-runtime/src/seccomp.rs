//! Docker's default system call filter, as a program the kernel runs in a
//! few comparisons: a binary search over ranges of system call numbers.

use rustix::thread::CapabilitySet;

use crate::seccomp_table::{ALLOWED, CONDITIONAL, Row};
use crate::sys::Insn;

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

const KILL_PROCESS: u32 = 0x8000_0000;
const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;

const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const FIRST_ARGUMENT: u32 = 16; // its low half: both machines are little-endian

/// The namespace flags of `clone` that need `CAP_SYS_ADMIN`.
const CLONE_NAMESPACES: u32 = 0x7e02_0000;
const PERSONALITIES: [u32; 5] = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff];
const AF_ALG: u32 = 38;
const AF_VSOCK: u32 = 40;

/// An architecture's audit number and its column of the table.
type Arch = (u32, fn(&Row) -> i32);

#[cfg(target_arch = "x86_64")]
const ARCHES: [Arch; 2] = [(0xc000_003e, |row| row.1), (0x4000_0003, |row| row.2)];
#[cfg(target_arch = "aarch64")]
const ARCHES: [Arch; 2] = [(0xc000_00b7, |row| row.3), (0x4000_0028, |row| row.4)];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("there is no system call table for this architecture");

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    Allow,
    Errno(u32),
    Clone,
    Personality,
    Socket,
}

/// The whole program, for a process with the given capabilities.
pub(crate) fn program(caps: CapabilitySet) -> Vec<Insn> {
    let mut out = vec![insn(LOAD, 0, 0, ARCH)];
    for (arch, column) in ARCHES {
        // The numbers of other architectures are not known here.
        let more = if arch == ARCHES[0].0 {
            caps
        } else {
            CapabilitySet::empty()
        };
        let body = search(&segments(column, more));
        out.push(insn(EQUAL, 1, 0, arch));
        out.push(insn(JUMP, 0, 0, body.len() as u32 + 1));
        out.push(insn(LOAD, 0, 0, NUMBER));
        out.extend(body);
    }
    out.push(insn(RETURN, 0, 0, KILL_PROCESS));
    out
}

fn insn(code: u16, jt: u8, jf: u8, k: u32) -> Insn {
    Insn { code, jt, jf, k }
}

/// The first number of every run of numbers with the same action.
fn segments(column: fn(&Row) -> i32, caps: CapabilitySet) -> Vec<(u32, Action)> {
    let granted: Vec<i32> = crate::seccomp_caps::allowed_by(caps).collect();
    let mut numbers: Vec<(u32, Action)> = ALLOWED
        .iter()
        .map(|row| (column(row), Action::Allow))
        .chain(CONDITIONAL.iter().map(|row| {
            let action = match row.0 {
                "clone" => Action::Clone,
                "clone3" => Action::Errno(libc::ENOSYS as u32),
                "personality" => Action::Personality,
                _ => Action::Socket,
            };
            (column(row), action)
        }))
        .filter(|(number, _)| !granted.contains(number))
        .chain(granted.iter().map(|number| (*number, Action::Allow)))
        .filter_map(|(number, action)| Some((u32::try_from(number).ok()?, action)))
        .collect();
    numbers.sort_by_key(|(number, _)| *number);
    let refuse = Action::Errno(libc::EPERM as u32);
    let mut out = vec![(0, refuse)];
    let mut next = 0;
    let mut push = |number: u32, action: Action| {
        match out.last_mut() {
            Some(last) if last.1 == action => {}
            Some(last) if last.0 == number => last.1 = action,
            _ => out.push((number, action)),
        };
    };
    for (number, action) in numbers {
        if number > next {
            push(next, refuse);
        }
        push(number, action);
        next = number + 1;
    }
    push(next, refuse);
    out
}

fn search(segments: &[(u32, Action)]) -> Vec<Insn> {
    if let [(_, action)] = segments {
        return leaf(*action);
    }
    let (low, high) = segments.split_at(segments.len() / 2);
    let (low, high) = (search(low), search(high));
    let pivot = segments[segments.len() / 2].0;
    let mut out = vec![
        insn(AT_LEAST, 0, 1, pivot),
        insn(JUMP, 0, 0, low.len() as u32),
    ];
    out.extend(low);
    out.extend(high);
    out
}

fn leaf(action: Action) -> Vec<Insn> {
    let allow = insn(RETURN, 0, 0, ALLOW);
    let refuse = insn(RETURN, 0, 0, ERRNO | libc::EPERM as u32);
    let argument = insn(LOAD, 0, 0, FIRST_ARGUMENT);
    match action {
        Action::Allow => vec![allow],
        Action::Errno(errno) => vec![insn(RETURN, 0, 0, ERRNO | errno)],
        Action::Clone => vec![
            argument,
            insn(AND, 0, 0, CLONE_NAMESPACES),
            insn(EQUAL, 0, 1, 0),
            allow,
            refuse,
        ],
        Action::Personality => {
            let mut out = vec![argument];
            for (i, value) in PERSONALITIES.iter().enumerate() {
                out.push(insn(EQUAL, (PERSONALITIES.len() - i) as u8, 0, *value));
            }
            out.extend([refuse, allow]);
            out
        }
        Action::Socket => vec![
            argument,
            insn(EQUAL, 2, 0, AF_ALG),
            insn(EQUAL, 1, 0, AF_VSOCK),
            allow,
            refuse,
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Interprets the program as the kernel would.
    fn verdict(program: &[Insn], arch: u32, number: u32, argument: u32) -> u32 {
        let (mut at, mut acc) = (0usize, 0u32);
        loop {
            let i = program[at];
            at += 1;
            match i.code {
                LOAD => {
                    acc = match i.k {
                        NUMBER => number,
                        ARCH => arch,
                        _ => argument,
                    }
                }
                AND => acc &= i.k,
                JUMP => at += i.k as usize,
                EQUAL => at += usize::from(if acc == i.k { i.jt } else { i.jf }),
                AT_LEAST => at += usize::from(if acc >= i.k { i.jt } else { i.jf }),
                RETURN => return i.k,
                code => panic!("instruction {code}"),
            }
        }
    }

    #[test]
    fn the_table_is_what_the_program_says() {
        let program = program(crate::caps::DEFAULT);
        assert!(program.len() < 4096);
        let eperm = ERRNO | libc::EPERM as u32;
        for (arch, column) in ARCHES {
            let conditional: Vec<i32> = CONDITIONAL.iter().map(column).collect();
            let allowed: Vec<i32> = ALLOWED.iter().map(column).collect();
            for number in 0..2000 {
                if conditional.contains(&number) {
                    continue;
                }
                let expected = if allowed.contains(&number) {
                    ALLOW
                } else {
                    eperm
                };
                assert_eq!(
                    verdict(&program, arch, number as u32, 0),
                    expected,
                    "{number}"
                );
            }
            let number = |name: &str| {
                let row = CONDITIONAL.iter().find(|row| row.0 == name).expect("row");
                column(row) as u32
            };
            let ask = |name, argument| verdict(&program, arch, number(name), argument);
            assert_eq!(ask("clone3", 0), ERRNO | libc::ENOSYS as u32);
            assert_eq!(ask("clone", 0x0001_0011), ALLOW);
            assert_eq!(ask("clone", 0x1000_0011), eperm);
            assert_eq!(ask("socket", 1), ALLOW);
            assert_eq!(ask("socket", 39), ALLOW);
            assert_eq!(ask("socket", 38), eperm);
            assert_eq!(ask("socket", 40), eperm);
            assert_eq!(ask("personality", 8), ALLOW);
            assert_eq!(ask("personality", 0xffff_ffff), ALLOW);
            assert_eq!(ask("personality", 9), eperm);
        }
        assert_eq!(verdict(&program, 1, 0, 0), KILL_PROCESS);
    }

    #[test]
    fn capabilities_allow_more() {
        let native = ARCHES[0].0;
        let ask = |caps, number: i64| verdict(&program(caps), native, number as u32, 0x1000_0000);
        let admin = crate::caps::DEFAULT | CapabilitySet::SYS_ADMIN;
        let eperm = ERRNO | libc::EPERM as u32;
        for number in [libc::SYS_mount, libc::SYS_unshare, libc::SYS_clone] {
            assert_eq!(ask(crate::caps::DEFAULT, number), eperm);
            assert_eq!(ask(admin, number), ALLOW);
        }
        assert_eq!(ask(admin, libc::SYS_reboot), eperm);
        assert_eq!(ask(admin, libc::SYS_read), ALLOW);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_native_numbers_are_right() {
        let of = |name: &str| {
            let rows = ALLOWED.iter().chain(CONDITIONAL);
            rows.filter(|row| row.0 == name)
                .map(|row| i64::from(row.1))
                .next()
        };
        assert_eq!(of("execve"), Some(libc::SYS_execve));
        assert_eq!(of("openat2"), Some(libc::SYS_openat2));
        assert_eq!(of("clone"), Some(libc::SYS_clone));
        assert_eq!(of("mount"), None);
        assert_eq!(of("unshare"), None);
    }
}
