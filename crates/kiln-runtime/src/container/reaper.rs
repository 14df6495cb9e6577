//! `--init`: a first process that passes signals on and takes care of
//! orphans.

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpgrp, kill_process, setpgid, wait};
use rustix::termios::tcsetpgrp;

use crate::sys;

/// Stays behind as the first process while the caller goes on as its child;
/// returns only in that.
pub(crate) fn stay(tty: bool) -> std::io::Result<()> {
    sys::block_signals();
    let Some(child) = sys::fork()? else {
        // The foreground of the terminal is the command's.
        let _ = setpgid(None, None);
        if tty {
            let _ = tcsetpgrp(rustix::stdio::stdin(), getpgrp());
        }
        return Ok(());
    };
    // The socket at 3 tells by its end that the command is executed.
    let _ = sys::close_from(3);
    loop {
        let signal = match sys::next_signal() {
            Ok(signal) => signal,
            Err(_) => continue,
        };
        if signal != libc::SIGCHLD {
            if let Some(signal) = Signal::from_named_raw(signal) {
                let _ = kill_process(child, signal);
            }
            continue;
        }
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if pid == child {
                end(child, status);
            }
        }
    }
}

fn end(_child: Pid, status: WaitStatus) {
    let code = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => return,
    };
    sys::exit_now(code)
}
