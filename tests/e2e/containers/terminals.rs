//! Containers on the user's terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::Containers;
use crate::harness::{Kiln, program};

/// A terminal with Kiln in its foreground.
struct Terminal {
    keys: File,
    shown: Receiver<Vec<u8>>,
    kiln: Child,
}

impl Terminal {
    fn run(kiln: &Containers, args: &[&str]) -> Terminal {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        let size = Winsize {
            ws_row: 33,
            ws_col: 99,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).unwrap();
        let mut command = Command::new(program("setsid", "util-linux"));
        command
            .args(["--ctty", "--wait"])
            .arg(Kiln::binary())
            .args(args);
        command.env("KILN_ROOT", kiln.store());
        command.stdin(slave.try_clone().unwrap());
        command.stdout(slave.try_clone().unwrap()).stderr(slave);
        let kiln = command.spawn().unwrap();
        drop(command);
        let keys = File::from(master);
        let mut screen = keys.try_clone().unwrap();
        let (send, shown) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n) = screen.read(&mut buffer) {
                if n == 0 || send.send(buffer[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        Terminal { keys, shown, kiln }
    }

    fn types(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
    }

    /// Waits until a text is shown.
    #[track_caller]
    fn shows(&self, text: &str) {
        let began = Instant::now();
        let mut seen = String::new();
        while !seen.contains(text) {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "no {text:?} in {seen:?}"
            );
            if let Ok(bytes) = self.shown.recv_timeout(Duration::from_millis(100)) {
                seen.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
    }

    fn ends(mut self) -> Option<i32> {
        self.kiln.wait().unwrap().code()
    }
}

#[test]
fn a_shell_is_left_and_found_again() {
    let kiln = Containers::new();
    let run = [
        "run",
        "-it",
        "--name",
        "tt",
        "--network",
        "host",
        "busybox",
        "sh",
    ];
    let mut terminal = Terminal::run(&kiln, &run);
    terminal.shows("# ");
    terminal.types(b"stty size; tty\n");
    terminal.shows("33 99\r\n/dev/pts/0");
    // Ctrl-C is the container's affair.
    terminal.types(b"sleep 100\n");
    terminal.shows("sleep 100");
    std::thread::sleep(Duration::from_millis(200));
    terminal.types(b"\x03");
    terminal.types(b"echo code=$?\n");
    terminal.shows("code=130");
    terminal.types(b"\x10\x11");
    terminal.shows("read escape sequence");
    assert_eq!(terminal.ends(), Some(0));
    assert_eq!(kiln.state("tt")["Status"], "running");
    let mut again = Terminal::run(&kiln, &["attach", "tt"]);
    std::thread::sleep(Duration::from_millis(300));
    again.types(b"echo re$((1+1))joined\n");
    again.shows("re2joined");
    let mut exec = Terminal::run(&kiln, &["exec", "-it", "tt", "sh"]);
    exec.shows("# ");
    exec.types(b"stty size; tty; exit 5\n");
    exec.shows("33 99\r\n/dev/pts/1");
    assert_eq!(exec.ends(), Some(5));
    again.types(b"exit 3\n");
    assert_eq!(again.ends(), Some(3));
    kiln.nothing_left();
}
