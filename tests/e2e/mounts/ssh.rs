//! SSH agents in steps, with the real `ssh-agent` and `ssh-add`.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{Done, Kiln, Project, assert_nothing_left, program, run};

/// An agent with one key; it ends with the value.
struct SshAgent {
    socket: PathBuf,
    key: PathBuf,
    child: Child,
}

impl SshAgent {
    fn start(kiln: &Kiln) -> SshAgent {
        let (socket, key) = (kiln.file("agent"), kiln.file("key"));
        let child = Command::new(program("ssh-agent", "openssh-client"))
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while !socket.exists() {
            assert!(began.elapsed() < Duration::from_secs(10), "no agent");
            std::thread::sleep(Duration::from_millis(10));
        }
        run(Command::new(program("ssh-keygen", "openssh-client"))
            .args([
                "-q",
                "-t",
                "ed25519",
                "-N",
                "",
                "-C",
                "the test's key",
                "-f",
            ])
            .arg(&key))
        .ok();
        let agent = SshAgent { socket, key, child };
        agent.add(&[agent.key.to_str().unwrap()]).ok();
        agent
    }

    fn add(&self, args: &[&str]) -> Done {
        let mut command = Command::new(program("ssh-add", "openssh-client"));
        run(command.args(args).env("SSH_AUTH_SOCK", &self.socket))
    }
}

impl Drop for SshAgent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes `ssh-add` and what it needs part of the context.
fn with_client(project: &Project) {
    let client = program("ssh-add", "openssh-client");
    let needs = run(Command::new(program("ldd", "libc-bin")).arg(&client))
        .ok()
        .out();
    let libraries = needs
        .split_whitespace()
        .filter(|w| w.starts_with('/'))
        .map(PathBuf::from);
    for file in libraries.chain([client]) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let name = if name.starts_with("ld-") {
            "loader"
        } else {
            name
        };
        std::fs::create_dir_all(project.path("ssh")).unwrap();
        std::fs::copy(&file, project.path(&format!("ssh/{name}"))).unwrap();
    }
}

const CLIENT: &str = "/ssh/loader --library-path /ssh /ssh/ssh-add";

#[test]
fn keys_are_listed_and_nothing_more() {
    let kiln = Kiln::new();
    let agent = SshAgent::start(&kiln);
    let project = Project::new(&format!(
        "FROM busybox\n\
         RUN --mount=source=ssh,target=/ssh --mount=type=ssh,required {CLIENT} -l > /out; \
         stat -c '%a %u:%g' $SSH_AUTH_SOCK >> /out; echo $SSH_AUTH_SOCK >> /out; \
         {CLIENT} -D && exit 3; {CLIENT} -x </dev/null && exit 4; {CLIENT} -l >> /out\n\
         RUN --mount=source=ssh,target=/ssh --mount=type=ssh,id=two,target=/a.sock,mode=0660,uid=1000,gid=50 \
         stat -c '%a %u:%g' /a.sock >> /out; SSH_AUTH_SOCK=/a.sock {CLIENT} -l >> /out\n\
         USER app\n\
         RUN --mount=source=ssh,target=/ssh --mount=type=ssh,uid=1000 {CLIENT} -l > /tmp/out\n"
    ));
    with_client(&project);
    let mut build = kiln.command(["build", "--progress", "plain", "-t", "out"]);
    build
        .args(["--ssh", "default", "--ssh"])
        .arg(format!("two={}", agent.socket.display()))
        .env("SSH_AUTH_SOCK", &agent.socket)
        .arg(project.dir());
    run(&mut build).ok();
    let key = agent.add(&["-l"]).ok().out();
    assert!(
        key.contains("the test's key"),
        "the keys are still there: {key}"
    );
    assert_eq!(
        kiln.cat("out", "/out"),
        format!("{key}\n600 0:0\n/run/buildkit/ssh_agent.0\n{key}\n660 1000:50\n{key}\n")
    );
    assert_eq!(kiln.cat("out", "/tmp/out"), format!("{key}\n"));
    assert!(kiln.image("out").tree.get("/run").is_none());
    assert_nothing_left(&kiln);
}

#[test]
fn signatures_pass() {
    let kiln = Kiln::new();
    let agent = SshAgent::start(&kiln);
    // -T signs with the key and checks the signature.
    let project = Project::new(&format!(
        "FROM busybox\nRUN --mount=source=ssh,target=/ssh --mount=source=key.pub,target=/key.pub --mount=type=ssh \
         {CLIENT} -T /key.pub && echo signed > /out\n"
    ));
    with_client(&project);
    std::fs::copy(agent.key.with_extension("pub"), project.path("key.pub")).unwrap();
    let spec = format!("default={}", agent.socket.display());
    kiln.build(project.dir(), &["-t", "out", "--ssh", &spec]);
    assert_eq!(kiln.cat("out", "/out"), "signed\n");
}

#[test]
fn absent_agents() {
    let kiln = Kiln::new();
    let project = Project::new("FROM busybox\nRUN --mount=type=ssh test ! -e $SSH_AUTH_SOCK\n");
    kiln.build(project.dir(), &[]);
    let key = kiln.file("key");
    std::fs::write(&key, "no key").unwrap();
    for (spec, wanted) in [
        (
            format!("default={}", key.display()),
            "key files are not supported",
        ),
        (
            "default=/nonexistent".to_owned(),
            "/nonexistent: No such file",
        ),
        ("default=/a,/b".to_owned(), "only one socket"),
        ("default".to_owned(), "SSH_AUTH_SOCK is not set"),
    ] {
        let mut build = kiln.command(["build", "--ssh", &spec]);
        build.env_remove("SSH_AUTH_SOCK").arg(project.dir());
        let done = run(&mut build).code(1);
        assert!(done.err().contains(wanted), "{spec}: {}", done.err());
    }
}
