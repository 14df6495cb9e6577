//! Clients that go away, and the end of the server.

use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{Kiln, Project, leftovers, program, run};

use super::Engine;

/// A build whose RUN is under way.
fn start(engine: &Engine) -> (Child, Project) {
    // By the store's path in its environment the command is found.
    let store = engine.kiln().store().display();
    let project = Project::new(&format!(
        "FROM busybox\nENV STORE={store}\nRUN echo under way; exec sleep 100\n"
    ));
    let client = engine
        .command(["build", "-t", "x", "--network", "host"])
        .arg(project.dir())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait(engine, |seen| seen.contains("(sleep 100)"));
    (client, project)
}

/// Waits until what the store's processes leave behind is as it should be.
#[track_caller]
fn wait(engine: &Engine, good: impl Fn(&str) -> bool) {
    let began = Instant::now();
    loop {
        let seen = leftovers(engine.kiln().store()).join("\n");
        if good(&seen) {
            return;
        }
        let late = began.elapsed() > Duration::from_secs(20);
        assert!(!late, "{seen}\n{}", engine.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_client_that_goes_away_cancels_its_build() {
    let engine = Engine::with_base();
    let (mut client, _project) = start(&engine);
    client.kill().unwrap();
    client.wait().unwrap();
    // The server itself is what is left.
    let clean =
        |seen: &str| !seen.contains("sleep 100") && !seen.lines().any(|l| l.starts_with("tmp/"));
    wait(&engine, clean);
    assert_eq!(engine.ok(["images", "-q", "x"]).out(), "");
    engine.ok(["version"]);
}

#[test]
fn a_signal_ends_builds_and_takes_the_socket_away() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut engine = Engine::with_base();
        let (mut client, _project) = start(&engine);
        engine.signal(signal);
        assert_eq!(engine.wait(), Some(0), "{}", engine.log());
        assert_ne!(client.wait().unwrap().code(), Some(0));
        assert!(!engine.socket().exists());
        wait(&engine, str::is_empty);
    }
}

#[test]
fn clients_that_only_listen_do_not_keep_the_server() {
    let mut engine = Engine::with_base();
    let mut listener = engine
        .command(["events", "--since", "0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    engine.ok(["tag", "busybox", "one:1"]);
    let mut first = [0];
    let pipe = listener.stdout.as_mut().unwrap();
    std::io::Read::read_exact(pipe, &mut first).unwrap();
    let began = Instant::now();
    engine.signal(Signal::TERM);
    assert_eq!(engine.wait(), Some(0), "{}", engine.log());
    assert!(began.elapsed() < Duration::from_secs(8));
    listener.wait().unwrap();
}

#[test]
fn one_server_a_socket() {
    let engine = Engine::on(Kiln::empty());
    let address = format!("unix://{}", engine.socket().display());
    let second = run(&mut engine.kiln().command(["serve", "-H", &address])).code(1);
    assert!(
        second.err().contains("a server answers there already"),
        "{}",
        second.err()
    );
    engine.ok(["version"]);
    // What a server left that was killed is no obstacle, a file that is none of a server's is.
    let kiln = Kiln::empty();
    let file = kiln.file("sock");
    drop(UnixListener::bind(&file).unwrap());
    let address = format!("unix://{}", file.display());
    let mut again = kiln.command(["serve", "-H", &address]).spawn().unwrap();
    let began = Instant::now();
    while std::os::unix::net::UnixStream::connect(&file).is_err() {
        assert!(began.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(10));
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&again), Signal::TERM).unwrap();
    again.wait().unwrap();
    let file = kiln.file("precious");
    std::fs::write(&file, "text").unwrap();
    let address = format!("unix://{}", file.display());
    let refused = run(&mut kiln.command(["serve", "-H", &address])).code(1);
    assert!(
        refused.err().contains("a file that is no socket"),
        "{}",
        refused.err()
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "text");
    for bad in ["tcp://127.0.0.1:1", "unix://relative"] {
        kiln.run(["serve", "-H", bad]).code(125);
    }
}

#[test]
fn a_service_manager_hands_the_socket_over() {
    let kiln = Kiln::new();
    let socket = kiln.file("handed");
    let script = "
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ['LISTEN_FDS'] = '1'
os.environ['LISTEN_PID'] = str(os.getpid())
os.execv(sys.argv[2], [sys.argv[2], 'serve'])
";
    let mut server = Command::new(program("python3", "python3-minimal"))
        .args(["-c", script])
        .arg(&socket)
        .arg(Kiln::binary())
        .env("KILN_ROOT", kiln.store())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut curl = Command::new(program("curl", "curl"));
    curl.args([
        "-s",
        "--retry",
        "50",
        "--retry-all-errors",
        "--retry-delay",
        "0",
    ]);
    curl.args(["--max-time", "20", "--unix-socket"])
        .arg(&socket);
    let answer = run(curl.arg("http://kiln/_ping"));
    rustix::process::kill_process(rustix::process::Pid::from_child(&server), Signal::TERM).unwrap();
    assert_eq!(server.wait().unwrap().code(), Some(0));
    assert_eq!(answer.ok().out(), "OK");
    assert!(socket.exists(), "it is the service manager's");
}
