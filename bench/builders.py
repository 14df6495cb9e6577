"""The builders that bench/run.py compares: each can import, build and save an image."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Sample:
    """What one run of a program took."""

    seconds: float
    # Of the process and the children it waited for; a bare Python's 9 MiB at the least.
    peak_bytes: int


class Failed(Exception):
    """A program ended with an error; the text is the end of what it printed."""


# Runs in a Python of its own, which is small: a child's peak memory as the kernel counts it begins
# with that of the process that forked it.
CHILD = """
import os, sys, time
log, *argv = sys.argv[1:]
out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
files = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)]
files += [(os.POSIX_SPAWN_DUP2, out, fd) for fd in (1, 2)]
began = time.perf_counter()
pid = os.posix_spawnp(argv[0], argv, os.environ, file_actions=files)
_, status, usage = os.wait4(pid, 0)
seconds = time.perf_counter() - began
print(seconds, usage.ru_maxrss * 1024, os.waitstatus_to_exitcode(status))
"""


def timed(argv, log, env=None):
    """Runs a program with its output in a file."""
    argv = [str(a) for a in argv]
    done = call(sys.executable, "-I", "-S", "-c", CHILD, log, *argv, env=env)
    seconds, peak, code = done.split()
    if code != "0":
        tail = "\n".join(Path(log).read_text(errors="replace").splitlines()[-15:])
        raise Failed(f"{' '.join(argv)} (code {code})\n{tail}")
    return Sample(float(seconds), int(peak))


def call(*argv, env=None):
    """Runs a program; its output."""
    done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True, env=env)
    return done.stdout.strip()


class Disks:
    """A file system for each builder, so that none pays for what another one left.

    ext4 makes files slowly for minutes after many were deleted (it doesn't use their inodes again
    at once), and some builders delete many. Without root or loop devices these are directories.
    """

    def __init__(self, work):
        self.work = work
        self.shared = False
        self.loops = []

    def make(self, name):
        directory = self.work / name
        directory.mkdir(exist_ok=True)
        if os.geteuid() != 0:
            return directory
        file = self.work / f"{name}.ext4"
        try:
            with open(file, "wb") as out:
                out.truncate(24 << 30)
            quick = "lazy_itable_init=0,lazy_journal_init=0"
            call("mkfs.ext4", "-q", "-N", "1000000", "-E", quick, file)
            loop = call("losetup", "--find", "--show", "--direct-io=on", file)
        except (OSError, subprocess.CalledProcessError):
            file.unlink(missing_ok=True)
            self.shared = True
            return directory
        self.loops.append((loop, directory))
        call("mount", loop, directory)
        return directory

    def remove(self):
        for loop, directory in self.loops:
            subprocess.run(["umount", "--recursive", directory], check=False)
            subprocess.run(["losetup", "--detach", loop], check=False)
        self.loops.clear()


class Builder:
    """One builder with storage of its own below the work directory."""

    def __init__(self, name, work, env=None):
        self.name = name
        self.log = work / f"{name}.log"
        self.env = {**os.environ, **(env or {})}

    def run(self, *argv):
        return timed(argv, self.log, self.env)

    def version(self):
        return call(self.program, "--version")

    def stop(self):
        """Ends what was started."""


class Kiln(Builder):
    def __init__(self, program, work, disk):
        super().__init__("kiln", work, {"KILN_ROOT": str(disk / "store")})
        self.program = program

    def add_base(self, tar, name):
        self.run(self.program, "import", tar, name)

    def build(self, context, tag):
        return self.run(self.program, "build", "-t", tag, context)

    def save(self, tag, path):
        return self.run(self.program, "save", "-o", path, tag)

    def container(self, image, *command):
        return self.run(self.program, "run", "--rm", "--network", "host", image, *command)

    def forget(self, tag):
        self.run(self.program, "rmi", tag)


class Docker(Builder):
    """docker's client, with BuildKit or the classic builder; both share a daemon."""

    def __init__(self, daemon, buildkit):
        env = {
            "DOCKER_BUILDKIT": "1" if buildkit else "0",
            "DOCKER_HOST": daemon.address,
            "DOCKER_CONFIG": str(daemon.directory / "config"),
        }
        super().__init__("buildkit" if buildkit else "classic", daemon.work, env)
        self.program = daemon.client
        self.daemon = daemon

    def add_base(self, tar, name):
        self.run(self.program, "import", tar, name)

    def build(self, context, tag):
        return self.run(self.program, "build", "--network", "host", "-t", tag, context)

    def save(self, tag, path):
        return self.run(self.program, "save", "-o", path, tag)

    def container(self, image, *command):
        return self.run(self.program, "run", "--rm", "--network", "host", image, *command)

    def forget(self, tag):
        self.run(self.program, "rmi", "-f", tag)
        self.run(self.program, "builder", "prune", "-af")

    def stop(self):
        self.daemon.stop()


class Daemon:
    """A private dockerd."""

    def __init__(self, client, program, work, disk):
        self.client, self.work, self.directory = client, work, disk
        self.address = f"unix://{self.directory}/socket"
        argv = [program, "-H", self.address, "--bridge=none", "--iptables=false"]
        argv += ["--ip6tables=false", "--storage-driver=overlay2"]
        argv += ["--containerd-namespace=kiln-bench"]
        argv += ["--containerd-plugins-namespace=kiln-bench-plugins"]
        argv += [f"--data-root={self.directory}/data", f"--exec-root={self.directory}/exec"]
        argv += [f"--pidfile={self.directory}/pid"]
        self.log = open(self.directory / "log", "wb")
        self.process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log
        )
        env = {**os.environ, "DOCKER_HOST": self.address}
        for _ in range(150):
            ready = subprocess.run([client, "info"], env=env, capture_output=True)
            if ready.returncode == 0 and b"Server Version" in ready.stdout:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.2)
        self.stop()
        tail = (self.directory / "log").read_text(errors="replace").splitlines()[-5:]
        raise Failed("dockerd did not start:\n" + "\n".join(tail))

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        # dockerd leaves the mount of a network namespace behind.
        for line in Path("/proc/mounts").read_text().splitlines():
            if (place := line.split()[1]).startswith(f"{self.directory}/"):
                subprocess.run(["umount", "--lazy", place], check=False)


class Buildah(Builder):
    def __init__(self, program, work, disk):
        super().__init__("buildah", work, {"TMPDIR": str(disk)})
        self.program = program
        self.options = ["--root", disk / "store", "--runroot", disk / "run"]
        self.options += ["--storage-driver", "overlay"]

    def buildah(self, *argv):
        return self.run(self.program, *self.options, *argv)

    def add_base(self, tar, name):
        self.buildah("from", "--name", "base", "scratch")
        self.buildah("add", "--quiet", "base", tar, "/")
        self.buildah("commit", "--quiet", "base", name)
        self.buildah("rm", "base")

    def build(self, context, tag):
        return self.buildah("bud", "--layers", "--isolation", "chroot", "-t", tag, context)

    def save(self, tag, path):
        return self.buildah("push", "--quiet", tag, f"docker-archive:{path}:{tag}")

    def forget(self, tag):
        self.buildah("rmi", "-f", tag)


def find_builders(kiln, work, disks):
    """The builders that can run here, and a remark for each that can't."""
    builders, remarks = [Kiln(kiln, work, disks.make("kiln"))], []
    root = os.geteuid() == 0
    path = "/usr/bin:/usr/sbin:" + os.environ.get("PATH", "")
    docker, dockerd = shutil.which("docker", path=path), shutil.which("dockerd", path=path)
    buildah = shutil.which("buildah", path=path)
    if not root:
        remarks.append("dockerd and buildah are left out: they are compared as root only")
        return builders, remarks
    if docker and dockerd:
        try:
            daemon = Daemon(docker, dockerd, work, disks.make("docker"))
            builders += [Docker(daemon, True), Docker(daemon, False)]
        except Failed as e:
            remarks.append(f"docker is left out: {e}")
    else:
        remarks.append("docker is left out: not installed (apt-get install docker.io)")
    if buildah:
        builders.append(Buildah(buildah, work, disks.make("buildah")))
    else:
        remarks.append("buildah is left out: not installed (apt-get install buildah)")
    return builders, remarks
