//! The server of an ordinary user.

use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{program, run, run_with};
use crate::rootless::User;

#[test]
fn an_ordinary_user_serves() {
    let user = User::with_sub_ids();
    user.import_base().ok();
    let socket = user.dir().join("sock");
    let address = format!("unix://{}", socket.display());
    let mut server = user
        .command(&["serve", "-H", &address])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        assert!(began.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(20));
    }
    let meta = std::fs::metadata(&socket).unwrap();
    assert!(meta.uid() != 0 && meta.mode() & 0o777 == 0o600);
    let docker = |args: &[&str], input: &str| {
        let mut command = Command::new(program("docker", "docker.io"));
        command.env("DOCKER_HOST", &address);
        command.env("DOCKER_BUILDKIT", "0");
        command.env("DOCKER_CONFIG", user.dir().join("docker"));
        run_with(command.args(args), input.into()).ok().out()
    };
    let dockerfile = "FROM busybox\nRUN echo built >/made\n";
    let built = docker(&["build", "--network", "host", "-t", "x", "-"], dockerfile);
    assert!(built.ends_with("Successfully tagged x:latest"), "{built}");
    let said = docker(
        &["run", "--rm", "--network", "host", "x", "cat", "/made"],
        "",
    );
    assert_eq!(said, "built");
    let info = docker(&["info", "-f", "{{.SecurityOptions}}"], "");
    assert!(info.contains("name=rootless"), "{info}");
    // The user's own commands see the same store.
    let seen = run(&mut user.command(&["images", "-q", "x"])).ok().out();
    assert!(!seen.is_empty());
    kill_process(Pid::from_child(&server), Signal::TERM).unwrap();
    server.wait().unwrap();
    user.assert_nothing_left();
}
