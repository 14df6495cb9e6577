#!/usr/bin/env python3
"""Compares saving, loading, pushing and pulling of Kiln, docker, buildah and skopeo.

Two images: one layer with a file of 1 GiB of random bytes, and 200 small layers. The registry is
Debian's docker-registry on loopback. Every repetition runs all programs, one after the other.

    cargo build --release && sudo bench/transfers.py [--check] [--reps N] [--mib N] [--layers N]
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from builders import Disks, Failed, call, find_builders, timed

HERE = Path(__file__).resolve().parent
MIB = 1 << 20


class Registry:
    """A docker-registry with nothing in it."""

    def __init__(self, directory):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.host = f"localhost:{port}"
        config = directory / "registry.yml"
        config.write_text(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{filesystem: {{rootdirectory: {directory}/data}}}}\n"
            f"http: {{addr: 127.0.0.1:{port}}}\n"
        )
        argv = ["setpriv", "--pdeathsig", "KILL", "docker-registry", "serve", config]
        self.process = subprocess.Popen(
            argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(100):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.1)
        raise Failed("docker-registry did not start")

    def stop(self):
        self.process.kill()
        self.process.wait()


class Skopeo:
    """Has no store: it copies between an archive and a registry.

    What it knows of blobs it shares with buildah, which would make its first push no first one: so
    that is hidden from it.
    """

    name = "skopeo"
    CACHE = Path("/var/lib/containers/cache")

    def __init__(self, work):
        self.log = work / "skopeo.log"
        self.cache = work / "skopeo-cache"
        self.cache.mkdir()
        self.CACHE.mkdir(parents=True, exist_ok=True)

    def copy(self, source, target):
        hide = f'mount --bind {self.cache} {self.CACHE} && exec "$@"'
        argv = ["unshare", "--mount", "sh", "-c", hide, "-"]
        argv += ["skopeo", "copy", "--quiet", "--insecure-policy", "--src-tls-verify=false"]
        return timed([*argv, "--dest-tls-verify=false", source, target], self.log)

    def push(self, archive, name):
        return self.copy(f"docker-archive:{archive}", f"docker://{name}")

    def pull(self, name, archive):
        archive.unlink(missing_ok=True)
        return self.copy(f"docker://{name}", f"docker-archive:{archive}")


def commands(builder):
    """What load, tag, push, pull and remove are called."""
    if builder.name == "buildah":
        remote = ["--quiet", "--tls-verify=false"]
        return {
            "load": lambda path, tag: ["pull", "--quiet", f"docker-archive:{path}"],
            "tag": lambda old, new: ["tag", old, new],
            "push": lambda tag: ["push", *remote, tag, f"docker://{tag}"],
            "pull": lambda tag: ["pull", *remote, f"docker://{tag}"],
            "remove": lambda tag: ["rmi", "-f", tag],
        }
    return {
        "load": lambda path, tag: ["load", "-q", "-i", path],
        "tag": lambda old, new: ["tag", old, new],
        "push": lambda tag: ["push", "-q", tag],
        "pull": lambda tag: ["pull", "-q", tag],
        "remove": lambda tag: ["rmi", "-f", tag],
    }


def run(builder, verb, *args):
    argv = commands(builder)[verb](*args)
    if builder.name == "buildah":
        return builder.buildah(*argv)
    return builder.run(builder.program, *argv)


def empty(builder):
    """Forgets everything that would make the next transfer cheaper."""
    if builder.name == "kiln":
        builder.run(builder.program, "system", "prune", "-af")


def make_archives(kiln, work, mib, layers):
    """The two images, made by Kiln, as docker-archives."""
    big = work / "big"
    big.mkdir()
    with open(big / "file", "wb") as out:
        for _ in range(mib):
            out.write(os.urandom(MIB))
    (big / "Dockerfile").write_text("FROM scratch\nCOPY file /file\n")
    many = work / "many"
    many.mkdir()
    lines = []
    for n in range(layers):
        (many / f"f{n}").write_bytes(os.urandom(500) * 40)
        lines.append(f"COPY f{n} /f{n}\n")
    (many / "Dockerfile").write_text("FROM scratch\n" + "".join(lines))
    archives = {}
    for name, what in [("big", f"{mib} MiB in a layer"), ("many", f"{layers} layers")]:
        kiln.build(work / name, f"{name}:1")
        archives[name] = (work / f"{name}.tar", what)
        kiln.save(f"{name}:1", archives[name][0])
        shutil.rmtree(work / name)
    return archives


def measure(args, work):
    rows, remarks = {}, []
    disks = Disks(work)
    builders, registry = [], None
    try:
        builders, remarks = find_builders(args.kiln, work, disks)
        # The classic builder shares its daemon with BuildKit.
        builders = [b for b in builders if b.name != "classic"]
        registry = Registry(disks.make("registry"))
        skopeo = Skopeo(work)

        def record(row, name, sample):
            rows.setdefault(row, {}).setdefault(name, []).append(sample)
            print(".", end="", file=sys.stderr, flush=True)

        left_out = set()
        for rep in range(args.reps):
            # New content each time: nobody knows its blobs.
            archives = make_archives(builders[0], work, args.mib, args.layers)
            for image, (archive, what) in archives.items():
                for b in builders[rep % len(builders) :] + builders[: rep % len(builders)]:
                    name = "docker" if b.name == "buildkit" else b.name
                    if (name, image) in left_out:
                        continue
                    remote = f"{registry.host}/{name}/{image}-{rep}:1"
                    out = work / "out.tar"
                    try:
                        empty(b)
                        os.sync()
                        record(f"load, {what}", name, run(b, "load", archive, f"{image}:1"))
                        local = f"localhost/{image}:1" if name == "buildah" else f"{image}:1"
                        os.sync()
                        record(f"save, {what}", name, b.save(local, out))
                        out.unlink()
                        run(b, "tag", local, remote)
                        os.sync()
                        record(f"push, {what}", name, run(b, "push", remote))
                        record(f"push again, {what}", name, run(b, "push", remote))
                        run(b, "remove", remote)
                        run(b, "remove", local)
                        empty(b)
                        os.sync()
                        record(f"pull, {what}", name, run(b, "pull", remote))
                        run(b, "remove", remote)
                    except Failed as e:
                        left_out.add((name, image))
                        remarks.append(f"{name} is left out of {what}: {str(e).splitlines()[-1]}")
                remote = f"{registry.host}/skopeo/{image}-{rep}:1"
                os.sync()
                record(f"push, {what}", "skopeo", skopeo.push(archive, remote))
                record(f"push again, {what}", "skopeo", skopeo.push(archive, remote))
                os.sync()
                record(f"pull, {what}", "skopeo", skopeo.pull(remote, work / "out.tar"))
                (work / "out.tar").unlink()
        print(file=sys.stderr)
    finally:
        if registry:
            registry.stop()
        for b in builders:
            b.stop()
        disks.remove()
    return rows, remarks


def median(samples):
    return statistics.median(s.seconds for s in samples)


def show(seconds):
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    target = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target"))
    parser.add_argument("--kiln", type=Path, default=target / "release/kiln")
    parser.add_argument("--reps", type=int, default=3, help="repetitions (default 3)")
    parser.add_argument("--mib", type=int, default=1024, help="size of the large layer")
    parser.add_argument("--layers", type=int, default=200, help="how many small layers")
    parser.add_argument("--check", action="store_true", help="fail unless Kiln is ahead")
    parser.add_argument("--dir", default="/var/tmp", help="where temporary data goes (a disk)")
    args = parser.parse_args()
    args.kiln = args.kiln.resolve()
    needed = [HERE.parent / "scripts/need.sh", "docker-registry", "skopeo"]
    subprocess.run(needed, check=True)
    work = Path(tempfile.mkdtemp(prefix="kiln-bench-", dir=args.dir))
    try:
        rows, remarks = measure(args, work)
    except Failed as e:
        sys.exit(f"\nerror: {e}")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    behind = []
    names = ["kiln", "docker", "buildah", "skopeo"]
    print("| median | " + " | ".join(names) + " | peak memory of kiln |")
    print("|---" * (len(names) + 2) + "|")
    for row, by in rows.items():
        own = median(by["kiln"])
        cells = []
        for name in names:
            if name not in by:
                cells.append("–")
            elif name == "kiln":
                cells.append(show(own))
            else:
                cells.append(f"{show(median(by[name]))} = {median(by[name]) / own:.1f}×")
                if median(by[name]) < own:
                    behind.append(f"{row}: {name}")
        peak = max(s.peak_bytes for s in by["kiln"]) / MIB
        if peak > 64:
            behind.append(f"{row}: {peak:.0f} MiB of memory")
        print(f"| {row} | " + " | ".join(cells) + f" | {peak:.0f} MiB |")
    for remark in remarks:
        print(remark)
    print("\nMISSED  " + ", ".join(behind) if behind else "\nmet     ahead in every row")
    about = {
        "kiln": call(str(args.kiln), "--version"),
        "rows": {
            row: {name: [vars(s) for s in samples] for name, samples in by.items()}
            for row, by in rows.items()
        },
    }
    (HERE / "transfers.json").write_text(json.dumps(about, indent=1) + "\n")
    if args.check and behind:
        sys.exit(1)


if __name__ == "__main__":
    main()
