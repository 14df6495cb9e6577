//! A program in a terminal of its own: a real pty, and what a terminal would show.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::harness::{Kiln, program};

const LIMIT: Duration = Duration::from_secs(20);

/// A running program and its screen.
pub struct Screen {
    child: Child,
    keyboard: File,
    terminal: OwnedFd,
    parser: Arc<Mutex<vt100::Parser>>,
}

impl Screen {
    /// Starts a command of kiln's in a terminal of a size.
    pub fn start(kiln: &Kiln, args: &[&str], rows: u16, columns: u16) -> Screen {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        resize(&master, rows, columns);
        let name = ptsname(&master, Vec::new()).unwrap();
        let name = Path::new(std::ffi::OsStr::from_bytes(name.as_bytes())).to_owned();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = openat(CWD, &name, flags, Mode::empty()).unwrap();
        let plain = kiln.command(args);
        // It gives the program a session, whose terminal this is.
        let mut command = Command::new(program("setsid", "util-linux"));
        command.args(["--ctty", "--wait"]).arg(plain.get_program());
        command.args(plain.get_args()).env("TERM", "xterm-256color");
        for (key, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        let end = || terminal.try_clone().unwrap();
        let child = command
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let keyboard = File::from(master);
        let parser = Arc::new(Mutex::new(vt100::Parser::new(some(rows), some(columns), 0)));
        let (mut output, screen) = (keyboard.try_clone().unwrap(), Arc::clone(&parser));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = output.read(&mut buffer) {
                screen.lock().unwrap().process(&buffer[..n]);
            }
        });
        Screen {
            child,
            keyboard,
            terminal,
            parser,
        }
    }

    /// What is on the screen.
    pub fn text(&self) -> String {
        self.parser.lock().unwrap().screen().contents()
    }

    /// Whether the program has the other screen, that leaves no trace.
    pub fn is_alternate(&self) -> bool {
        self.parser.lock().unwrap().screen().alternate_screen()
    }

    /// Whether keys are echoed and lines edited, as a shell expects it.
    pub fn is_usual(&self) -> bool {
        let modes = tcgetattr(&self.terminal).unwrap().local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON)
    }

    /// Waits until the terminal is as before; what was written last may still be under way.
    #[track_caller]
    pub fn wait_restored(&self) {
        self.wait_until("terminal as it was", |_| {
            !self.is_alternate() && self.is_usual()
        });
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Makes the terminal another size.
    pub fn resize(&mut self, rows: u16, columns: u16) {
        self.parser
            .lock()
            .unwrap()
            .screen_mut()
            .set_size(some(rows), some(columns));
        resize(&self.keyboard, rows, columns);
    }

    /// Waits until a text is there.
    #[track_caller]
    pub fn wait_for(&self, wanted: &str) -> String {
        self.wait_until(wanted, |text| text.contains(wanted))
    }

    /// Waits until the screen is as it should be.
    #[track_caller]
    pub fn wait_until(&self, what: &str, is: impl Fn(&str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let text = self.text();
            if is(&text) {
                return text;
            }
            assert!(began.elapsed() < LIMIT, "no {what} on\n{text}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends the program itself a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        // `setsid` has become the program, or waits for it.
        let group = rustix::termios::tcgetpgrp(&self.keyboard).unwrap();
        rustix::process::kill_process_group(group, signal).unwrap();
    }

    /// Waits for the end.
    #[track_caller]
    pub fn end(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < LIMIT, "still there:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn some(length: u16) -> NonZero<u16> {
    NonZero::new(length).unwrap()
}

fn resize(terminal: &impl std::os::fd::AsFd, rows: u16, columns: u16) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).unwrap();
}
