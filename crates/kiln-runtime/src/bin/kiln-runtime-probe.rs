//! Runs one command from the command line, for tests and measurements:
//!
//! `kiln-runtime-probe LOWER SCRATCH COUNT UID host|none ARGV...`

use std::io::Write;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kiln_runtime::{
    Cancel, Exit, Network, Overlay, Process, RuntimeError, Stream, enter, helper_main_if_asked,
    mount_overlay, run,
};

fn main() {
    helper_main_if_asked();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let code = match probe(&args) {
        Ok(code) => code,
        Err(e) => {
            eprintln!("error: {e}");
            e.exit_code().unwrap_or(125)
        }
    };
    std::process::exit(code);
}

fn probe(args: &[String]) -> Result<i32, RuntimeError> {
    let [lower, scratch, count, uid, network, argv @ ..] = args else {
        return Err(RuntimeError::Setup("too few arguments".into()));
    };
    let number = |text: &str| text.parse::<u32>().unwrap_or(0);
    eprintln!("mode: {:?}", enter()?);
    let process = Process {
        argv: argv.to_vec(),
        env: vec!["PATH=/bin:/usr/bin".into()],
        cwd: "/".into(),
        uid: number(uid),
        gid: number(uid),
        groups: Vec::new(),
        network: match network.as_str() {
            "none" => Network::None,
            _ => Network::Host,
        },
        hosts: Vec::new(),
        hostname: "probe".into(),
        mounts: Vec::new(),
        stdin: None,
    };
    let lowers = [PathBuf::from(lower)];
    let scratch = PathBuf::from(scratch);
    let (upper, work) = (scratch.join("upper"), scratch.join("work"));
    let mut code = 0;
    let mut ran = Duration::ZERO;
    let count = number(count).max(1);
    for _ in 0..count {
        for dir in [&upper, &work] {
            let _ = std::fs::remove_dir_all(dir);
            std::fs::create_dir_all(dir).map_err(|source| RuntimeError::Sys {
                step: "make a directory".into(),
                source,
            })?;
        }
        let root = mount_overlay(&Overlay {
            lowers: &lowers,
            upper: Some((&upper, &work)),
        })?;
        let mut print = |stream, bytes: &[u8]| {
            let _ = match stream {
                Stream::Stdout => std::io::stdout().write_all(bytes),
                Stream::Stderr => std::io::stderr().write_all(bytes),
            };
        };
        let began = Instant::now();
        let exit = run(root.as_fd(), &process, &mut print, &Cancel::new())?;
        ran += began.elapsed();
        code = match exit {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
            Exit::Cancelled => 130,
        };
    }
    if count > 1 {
        let each = ran / count;
        eprintln!("{} microseconds each", each.as_micros());
    }
    Ok(code)
}
