//! Builds by an ordinary user.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::{
    Archive, Done, Image, Kiln, Project, base_tar, compare_trees, leftovers, program, run, run_with,
};

/// A user, with a directory of his own that holds the binary and the store.
pub struct User {
    name: &'static str,
    dir: TempDir,
}

impl User {
    /// The user with subordinate ids; made if he isn't there.
    pub fn with_sub_ids() -> User {
        let user = User::named("kilntest", &[]);
        for file in ["/etc/subuid", "/etc/subgid"] {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let has = text.lines().any(|l| l.starts_with("kilntest:"));
            assert!(
                has,
                "{file} has no line for kilntest: usermod --add-subuids, --add-subgids"
            );
        }
        program("newuidmap", "uidmap");
        user
    }

    /// The user without any.
    pub fn without_sub_ids() -> User {
        User::named(
            "kilnsolo",
            &["-K", "SUB_UID_COUNT=0", "-K", "SUB_GID_COUNT=0"],
        )
    }

    fn named(name: &'static str, options: &[&str]) -> User {
        let exists = || {
            let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
            passwd.lines().any(|l| l.starts_with(&format!("{name}:")))
        };
        let began = Instant::now();
        // Another test may be at it: the accounts are locked while one is added.
        while !exists() {
            let mut useradd = Command::new(program("useradd", "passwd"));
            let done = run(useradd.args(options).args(["-m", name]));
            assert!(
                done.code == Some(0) || began.elapsed() < Duration::from_secs(20),
                "{}",
                done.report()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        let dir = tempfile::Builder::new()
            .prefix("kiln-user-")
            .tempdir()
            .unwrap();
        std::fs::copy(Kiln::binary(), dir.path().join("kiln")).unwrap();
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        run(Command::new("chown")
            .arg(format!("{name}:"))
            .arg(dir.path()))
        .ok();
        User { name, dir }
    }

    /// His own directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// A command as this user, with nothing of root's environment.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program("setpriv", "util-linux"));
        command
            .args(["--reuid", self.name, "--regid", self.name, "--init-groups"])
            .arg(self.dir.path().join("kiln"))
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.dir.path())
            .env("KILN_ROOT", self.store());
        command
    }

    pub fn import_base(&self) -> Done {
        let mut import = self.command(&["import", "-", "busybox"]);
        run_with(&mut import, base_tar().to_vec())
    }

    fn build(&self, context: &Path, args: &[&str]) -> Done {
        let mut command = self.command(&["build", "--progress", "plain"]);
        run(command.args(args).arg(context))
    }

    #[track_caller]
    fn image(&self, name: &str) -> Image {
        Archive::read(&run(&mut self.command(&["save", name])).ok().stdout).image()
    }

    #[track_caller]
    pub fn assert_nothing_left(&self) {
        let began = Instant::now();
        while !leftovers(&self.store()).is_empty() {
            assert!(
                began.elapsed() < Duration::from_secs(3),
                "{:#?}",
                leftovers(&self.store())
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn project() -> Project {
    Project::new(
        "FROM busybox AS build\n\
         RUN id -u > /uid && touch /made && chown app:staff /made && chmod 4755 /made && mkdir -m 1777 /sticky\n\
         USER app\n\
         RUN id -u > /tmp/uid; id -G > /tmp/groups\n\
         FROM busybox\n\
         COPY --chown=app:staff dir /dir\n\
         COPY --chown=1234:4321 file /file\n\
         COPY --from=build / /from\n\
         ADD owned.tar /owned/\n\
         RUN rm /bin/vi && rm -r /var && mkdir /var && ln /dir/f /hard && mkfifo /fifo && chown 50:50 /fifo\n\
         WORKDIR /home/app/w\n\
         USER app\n\
         RUN echo mine > mine; exit 0\n",
    )
    .with("dir/f", "f\n")
    .with("file", "file\n")
    .with("owned.tar", owned_tar())
}

fn owned_tar() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, owner) in [("a", 7), ("b", 30_000)] {
        let mut h = tar::Header::new_gnu();
        h.set_uid(owner);
        h.set_gid(owner);
        h.set_mode(0o640);
        h.set_mtime(0);
        h.set_size(0);
        tar.append_data(&mut h, name, std::io::empty()).unwrap();
    }
    tar.into_inner().unwrap()
}

#[test]
fn a_users_image_is_roots_image() {
    let (root, user, project) = (Kiln::new(), User::with_sub_ids(), project());
    user.import_base().ok();
    let args = ["--reproducible", "-t", "x"];
    root.build(project.dir(), &args);
    user.build(project.dir(), &args).ok();
    let (ours, theirs) = (user.image("x"), root.image("x"));
    let found = compare_trees(&ours.tree, &theirs.tree);
    assert!(found.is_empty(), "(docker stands for root here) {found:#?}");
    assert_eq!(ours.config["config"], theirs.config["config"]);
    assert_eq!(
        ours.config["rootfs"], theirs.config["rootfs"],
        "the very same bytes"
    );
    user.assert_nothing_left();
    // The store is the user's own, and nobody else's to read.
    let mode = std::fs::metadata(user.store())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o700);
}

#[test]
fn a_users_second_build_is_cached() {
    let (user, project) = (User::with_sub_ids(), project());
    user.import_base().ok();
    user.build(project.dir(), &["-t", "x"]).ok();
    let again = user.build(project.dir(), &["-t", "x"]).ok();
    crate::harness::assert_all_cached(&again);
    let list = run(&mut user.command(&["images", "--format", "{{.Repository}}"]))
        .ok()
        .out();
    assert_eq!(list.lines().count(), 2, "{list}");
    run(&mut user.command(&["rmi", "x"])).ok();
}

#[test]
fn a_users_outputs() {
    let (user, project) = (User::with_sub_ids(), project());
    user.import_base().ok();
    let dest = |kind: &str| format!("type={kind},dest={}", user.dir.path().join(kind).display());
    user.build(
        project.dir(),
        &["-t", "x", "-o", &dest("tar"), "-o", &dest("docker")],
    )
    .ok();
    let tar = std::fs::read(user.dir.path().join("tar")).unwrap();
    let whole = user.image("x").tree;
    let found = compare_trees(
        &crate::harness::Tree::of_layers([tar.as_slice()]).unwrap(),
        &whole,
    );
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_users_failed_build_leaves_nothing() {
    let user = User::with_sub_ids();
    user.import_base().ok();
    let bad = Project::new("FROM busybox\nRUN touch /x && chown app /x && exit 5\n");
    let done = user.build(bad.dir(), &[]).code(1);
    assert!(done.err().contains("exit code: 5"), "{}", done.report());
    user.assert_nothing_left();
}

#[test]
fn a_run_is_not_root_on_the_host() {
    let user = User::with_sub_ids();
    user.import_base().ok();
    let secret = user.dir.path().join("roots");
    std::fs::write(&secret, "secret\n").unwrap();
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    let project = Project::new(
        "FROM busybox\nRUN cat /proc/self/uid_map > /map\nRUN mknod /dev/sda b 8 0 2> /err; true\n",
    );
    user.build(project.dir(), &["-t", "x"]).ok();
    let map = user.image("x").tree.text("/map");
    let first: Vec<&str> = map.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(first[0], "0", "{map}");
    assert_ne!(
        first[1], "0",
        "root in the container is not root outside: {map}"
    );
    // Files that only root may read can't become part of a context.
    let stolen = Project::new("FROM busybox\nCOPY f /f\n").with("f", "x");
    stolen.chmod("f", 0o600);
    let done = user.build(stolen.dir(), &[]).code(1);
    assert!(done.err().contains("ermission denied"), "{}", done.report());
}

#[test]
fn a_users_mounts() {
    let user = User::with_sub_ids();
    user.import_base().ok();
    let project = Project::new(
        "FROM busybox AS s\nRUN mkdir /s && touch /s/f && chown 7:8 /s/f\n\
         FROM busybox\n\
         RUN --mount=target=/ctx --mount=target=/rw,rw --mount=from=s,source=/s,target=/s \
         --mount=type=cache,target=/c,uid=1000,gid=50,mode=0750 --mount=type=tmpfs,target=/t,size=1m \
         --mount=type=secret,id=s,uid=1000 ls /ctx > /out && touch /rw/new /c/x /t/x && chown 5 /c/x && \
         stat -c '%u:%g %a' /ctx/f /s/f /c /run/secrets/s >> /out && cat /run/secrets/s >> /out\n\
         RUN --mount=type=cache,target=/c,uid=1000,gid=50,mode=0750 stat -c %u /c/x >> /out\n",
    )
    .with("f", "f\n")
    .with("hidden", "")
    .with(".dockerignore", "hidden\nDockerfile\n.dockerignore\n");
    project.chmod("f", 0o644);
    let mine = run(Command::new("chown")
        .args(["-R", "kilntest:"])
        .arg(project.dir()));
    mine.ok();
    let args = ["-t", "x", "--secret", "id=s,env=HOME"];
    user.build(project.dir(), &args).ok();
    let home = user.dir.path().display();
    assert_eq!(
        user.image("x").tree.text("/out"),
        format!("f\n0:0 644\n7:8 644\n1000:50 750\n1000:0 400\n{home}5\n"),
        "the user's files are root's in the container"
    );
    user.assert_nothing_left();
    let pruned = run(&mut user.command(&["system", "prune", "-af"]))
        .ok()
        .out();
    assert!(pruned.contains("Deleted cache mounts: 1"), "{pruned}");
}

#[test]
fn without_sub_ids_all_files_are_roots() {
    let (user, root) = (User::without_sub_ids(), Kiln::new());
    // A base whose files belong to root alone.
    let base = Project::new("FROM scratch\nCOPY --from=busybox --chown=0:0 / /\n");
    root.build(
        base.dir(),
        &["-o", &format!("type=tar,dest={}", root.file("t").display())],
    );
    let tar = std::fs::read(root.file("t")).unwrap();
    run_with(&mut user.command(&["import", "-", "busybox"]), tar).ok();
    let project =
        Project::new("FROM busybox\nRUN echo x > /x && id -u > /id\nCOPY f /f\n").with("f", "f\n");
    user.build(project.dir(), &["-t", "x"]).ok();
    let image = user.image("x");
    assert_eq!(image.tree.text("/x"), "x\n");
    assert_eq!(image.tree.text("/id"), "0\n");
    for path in ["/x", "/f", "/etc/passwd"] {
        let file = image.tree.get(path).unwrap();
        assert_eq!((file.uid, file.gid), (0, 0), "{path}");
    }
    user.assert_nothing_left();
}

#[test]
fn other_owners_without_sub_ids_are_explained() {
    let user = User::without_sub_ids();
    let subuid = std::fs::read_to_string("/etc/subuid").unwrap_or_default();
    let has = subuid
        .lines()
        .any(|l| l.starts_with(&format!("{}:", user.name)));
    assert!(!has, "{} is meant to have no subordinate ids", user.name);
    // The base has files of an ordinary user's, which one id can't stand for.
    let done = user.import_base().code(1);
    let err = done.err();
    assert_eq!(
        err.lines().filter(|l| l.starts_with("ERROR")).count(),
        1,
        "{err}"
    );
    assert!(
        err.contains("/etc/subuid") || err.contains("subordinate"),
        "no advice in\n{err}"
    );
    user.assert_nothing_left();
}
