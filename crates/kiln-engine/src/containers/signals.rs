//! Signals by name or number.

/// SIGTERM.
pub(super) const TERM: i32 = 15;
/// SIGKILL.
pub(super) const KILL: i32 = 9;

/// The names in the order of their numbers, from 1.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
const FIRST_REAL_TIME: i32 = 34;
const LAST_REAL_TIME: i32 = 64;

/// The number of a signal: `9`, `KILL`, `SIGKILL`, `RTMIN+1`.
pub fn signal_number(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<i32>() {
        return (1..=LAST_REAL_TIME).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let position = NAMES.iter().position(|n| *n == name);
    let offset = |text: &str| match text {
        "" => Some(0),
        text => text.parse::<i32>().ok(),
    };
    let number = match name {
        "IOT" => 6,
        "CLD" => 17,
        "POLL" => 29,
        _ => match (
            position,
            name.strip_prefix("RTMIN"),
            name.strip_prefix("RTMAX"),
        ) {
            (Some(at), ..) => i32::try_from(at).ok()? + 1,
            (_, Some(more), _) => FIRST_REAL_TIME + offset(more)?,
            (_, _, Some(less)) => LAST_REAL_TIME + offset(less)?,
            _ => return None,
        },
    };
    (1..=LAST_REAL_TIME).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::signal_number as n;

    #[test]
    fn names_and_numbers() {
        assert_eq!(n("9"), Some(9));
        assert_eq!(n("sigterm"), Some(15));
        assert_eq!(n("SYS"), Some(31));
        assert_eq!(n("RTMIN+3"), Some(37));
        assert_eq!(n("SIGRTMAX-1"), Some(63));
        assert_eq!(n("65"), None);
        assert_eq!(n("NOPE"), None);
        assert_eq!(n("RTMAX+1"), None);
    }
}
