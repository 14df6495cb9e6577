#!/usr/bin/env python3
"""Compares Kiln with BuildKit, docker's classic builder and buildah.

Every repetition runs all builders, one after the other, in an order that changes. Prints a table,
whether Kiln's goals are met, and writes bench/results.json.

    cargo build --release && sudo bench/run.py [--check] [--apt] [--only ROWS] [--reps N]
"""

import argparse
import io
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from builders import Disks, Failed, find_builders, timed

HERE = Path(__file__).resolve().parent
BASE = "bench-base:1"
STEPS = 40
GIB = 1 << 30
MIB = 1 << 20


class Bench:
    """Samples of all rows; `rows[row][builder]` is a list."""

    def __init__(self, builders, disks, work, reps):
        self.builders, self.disks, self.work, self.reps = builders, disks, work, reps
        self.rows = {}
        # No two runs of this program build the same, even in a store that was kept.
        self.nonce = os.urandom(4).hex()

    def record(self, row, name, sample):
        self.rows.setdefault(row, {}).setdefault(name, []).append(sample)
        print(".", end="", file=sys.stderr, flush=True)

    def turn(self, rep):
        """The builders in this repetition's order."""
        at = rep % len(self.builders)
        return self.builders[at:] + self.builders[:at]

    def each(self, row, rep, action):
        for builder in self.turn(rep):
            # Nobody pays for what another one left to be written.
            os.sync()
            self.record(row, builder.name, action(builder))

    def context(self, name, dockerfile):
        directory = self.work / name
        directory.mkdir(exist_ok=True)
        (directory / "Dockerfile").write_text(dockerfile)
        return directory

    # The rows.

    def many_steps(self):
        """40 RUN steps that write a line each; then the same from the cache."""
        loop = f"i=0; while [ $i -lt {STEPS} ]; do busybox sh -c \"echo $i > f\"; i=$((i+1)); done"
        command = ["/bin/busybox", "sh", "-c", f"cd {self.work} && {loop}"]
        for rep in range(self.reps):
            lines = [f"RUN echo {self.nonce}-{rep}-{i} > /f" for i in range(STEPS)]
            context = self.context("steps", "\n".join([f"FROM {BASE}", *lines, ""]))
            self.record("steps", "commands", timed(command, self.work / "commands.log"))
            self.each("steps", rep, lambda b: b.build(context, "steps"))
            self.each("steps-cached", rep, lambda b: b.build(context, "steps"))

    def many_files(self):
        """A context of 20,000 files, half of them ignored."""
        for rep in range(self.reps):
            context = self.context("files", f"FROM {BASE}\nCOPY . /src/\n")
            (context / ".dockerignore").write_text("**/*.log\nDockerfile\n.dockerignore\n")
            for d in range(100):
                (context / f"d{d}").mkdir(exist_ok=True)
                for f in range(200):
                    kind = "log" if f % 2 else "txt"
                    line = f"{self.nonce} {rep} {d} {f}\n"
                    (context / f"d{d}/f{f}.{kind}").write_text(line * 60)
            one = context / "d50/f100.txt"
            self.each("files", rep, lambda b: b.build(context, "files"))
            self.each("files-unchanged", rep, lambda b: b.build(context, "files"))
            one.touch()
            self.each("files-touched", rep, lambda b: b.build(context, "files"))
            one.write_text(f"changed {self.nonce} {rep}\n")
            self.each("files-changed", rep, lambda b: b.build(context, "files"))

    def big_file(self):
        """COPY of 1 GiB of random bytes, and save of the image."""
        context = self.context("big", f"FROM {BASE}\nCOPY big /big\n")
        big, archive = context / "big", self.work / "big.tar"
        copy = self.disks.make("commands") / "copy"
        with open(big, "wb") as out:
            for _ in range(GIB // MIB):
                out.write(os.urandom(MIB))
        for rep in range(min(self.reps, 3)):
            with open(big, "r+b") as out:
                out.write(f"{self.nonce} {rep}".encode())
            log = self.work / "cp.log"
            timed(["cat", big], "/dev/null")
            os.sync()
            self.record("copy-1g", "cp", timed(["cp", big, copy], log))
            self.record("copy-1g", "sha256sum", timed(["sha256sum", big], log))
            copy.unlink()
            self.each("copy-1g", rep, lambda b: b.build(context, "big"))
            for builder in self.turn(rep):
                os.sync()
                self.record("save-1g", builder.name, builder.save("big", archive))
                archive.unlink()
            for builder in self.builders:
                builder.forget("big")
        shutil.rmtree(context)

    def stages(self):
        """Six stages that take a second each and don't need one another."""
        for rep in range(min(self.reps, 3)):
            stages = [
                f"FROM {BASE} AS s{i}\nRUN sleep 1; echo {self.nonce}-{rep}-{i} > /f{i}\n"
                for i in range(6)
            ]
            copies = [f"COPY --from=s{i} /f{i} /f{i}\n" for i in range(6)]
            context = self.context("stages", "".join([*stages, f"FROM {BASE}\n", *copies]))
            self.each("stages", rep, lambda b: b.build(context, "stages"))

    def packages(self):
        """apt-get on Debian 12; what the mirror takes is part of it."""
        tar = self.work / "debian.tar"
        subprocess.run([HERE.parent / "scripts/debian.sh", tar], check=True)
        for builder in self.builders:
            if builder.name != "classic":
                builder.add_base(tar, "debian:12")
        for rep in range(min(self.reps, 3)):
            install = "apt-get install -y --no-install-recommends gcc libc6-dev"
            run = f"RUN echo {self.nonce}-{rep}; apt-get update && {install}"
            context = self.context("apt", f"FROM debian:12\n{run}\n")
            self.each("apt", rep, lambda b: b.build(context, "apt"))

    def containers(self):
        """A container of a command that does nothing, from start to exit, ten times over."""
        names = [b.name for b in self.builders]
        # Both of docker's builders have the same docker run.
        skip = "classic" if "buildkit" in names else ""
        for rep in range(self.reps * 10):
            for b in self.turn(rep):
                if b.name != skip and hasattr(b, "container"):
                    self.record("container", b.name, b.container(BASE, "/bin/busybox", "true"))


ROWS = {
    "steps": (f"{STEPS} RUN steps", "many_steps"),
    "steps-cached": ("… all cached", "many_steps"),
    "files": ("20,000 files, half ignored", "many_files"),
    "files-unchanged": ("… unchanged", "many_files"),
    "files-touched": ("… one touched", "many_files"),
    "files-changed": ("… one changed", "many_files"),
    "copy-1g": ("COPY of 1 GiB", "big_file"),
    "save-1g": ("save of that image", "big_file"),
    "stages": ("6 stages of 1 s", "stages"),
    "container": ("run --rm of a container", "containers"),
    "apt": ("apt-get install gcc", "packages"),
}


def median(samples):
    return statistics.median(s.seconds for s in samples)


def goals(rows):
    """What Kiln promises."""
    out = []

    def add(text, value, sign, limit, unit):
        met = value <= limit if sign == "≤" else value >= limit
        out.append({"what": text, "value": value, "goal": f"{sign} {limit}", "unit": unit, "met": met})

    def at_most(text, value, limit, unit):
        add(text, value, "≤", limit, unit)

    if "steps" in rows:
        command = median(rows["steps"]["commands"]) / STEPS * 1000
        step = median(rows["steps"]["kiln"]) / STEPS * 1000
        text = f"a RUN step ({step:.1f} ms) over its command ({command:.1f} ms)"
        at_most(text, step - command, 15, "ms")
        if "buildkit" in rows["steps"]:
            ratio = median(rows["steps"]["buildkit"]) / median(rows["steps"]["kiln"])
            add(f"{STEPS} RUN steps against BuildKit", ratio, "≥", 8, "times")
    if "steps-cached" in rows:
        at_most(f"{STEPS} cached steps", median(rows["steps-cached"]["kiln"]) * 1000, 30, "ms")
    if "files-unchanged" in rows:
        took = median(rows["files-unchanged"]["kiln"]) * 1000
        at_most("unchanged context of 20,000 files", took, 150, "ms")
    if "container" in rows:
        at_most("a container", median(rows["container"]["kiln"]) * 1000, 40, "ms")
        if "buildkit" in rows["container"]:
            ratio = median(rows["container"]["buildkit"]) / median(rows["container"]["kiln"])
            add("a container against docker run", ratio, "≥", 5, "times")
    if "copy-1g" in rows:
        both = median(rows["copy-1g"]["cp"]) + median(rows["copy-1g"]["sha256sum"])
        ratio = median(rows["copy-1g"]["kiln"]) / both
        at_most(f"COPY of 1 GiB against cp and sha256sum ({both:.2f} s)", ratio, 1.3, "times")
    own = [s.peak_bytes for row, by in rows.items() if row != "apt" for s in by["kiln"]]
    if own:
        at_most("peak memory", max(own) / MIB, 64, "MiB")
    return out


def show(seconds):
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def print_table(rows, names):
    heads = ["median (min–max)", *names, "peak memory of kiln"]
    lines = []
    for row, by in rows.items():
        cells = [ROWS[row][0]]
        for name in names:
            if name not in by:
                cells.append("–")
                continue
            all_seconds = [s.seconds for s in by[name]]
            mid, low, high = median(by[name]), min(all_seconds), max(all_seconds)
            times = "" if name == "kiln" else f" = {mid / median(by['kiln']):.1f}×"
            cells.append(f"{show(mid)} ({show(low)}–{show(high)}){times}")
        cells.append(f"{max(s.peak_bytes for s in by['kiln']) / MIB:.0f} MiB")
        lines.append(cells)
    widths = [max(len(line[i]) for line in [heads, *lines]) for i in range(len(heads))]
    for line in [heads, ["-" * w for w in widths], *lines]:
        print("| " + " | ".join(c.ljust(w) for c, w in zip(line, widths)) + " |")


def busybox_tar(path):
    """A base image: busybox and its names."""
    with tarfile.open(path, "w") as tar:
        for name in ["bin", "etc", "tmp"]:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        program = Path("/bin/busybox").read_bytes()
        entry = tarfile.TarInfo("bin/busybox")
        entry.size, entry.mode = len(program), 0o755
        tar.addfile(entry, io.BytesIO(program))
        for name in ["sh", "sleep", "echo"]:
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)


def machine():
    info = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((i.split(":")[1].strip() for i in info if i.startswith("model name")), "?")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // MIB
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": memory,
        "kernel": platform.release(),
        "load_before": os.getloadavg()[0],
    }


def measure(args, work):
    about = {"machine": machine(), "repetitions": args.reps}
    disks = Disks(work)
    builders = []
    try:
        builders, remarks = find_builders(args.kiln, work, disks)
        tar = work / "base.tar"
        busybox_tar(tar)
        bench = Bench(builders, disks, work, args.reps)
        warm = bench.context("warm", f"FROM {BASE}\nRUN echo warm > /f\n")
        for b in builders:
            if b.name != "classic":
                b.add_base(tar, BASE)
            b.build(warm, "warm")
        for method in dict.fromkeys(ROWS[r][1] for r in args.only):
            getattr(bench, method)()
        print(file=sys.stderr)
        about["versions"] = {b.name: b.version() for b in builders}
    finally:
        for b in builders:
            b.stop()
        disks.remove()
    if disks.shared:
        remarks.append("all builders share one file system: no loop devices here")
    return bench.rows, [b.name for b in builders], remarks, about


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    target = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target"))
    parser.add_argument("--kiln", type=Path, default=target / "release/kiln")
    parser.add_argument("--reps", type=int, default=5, help="repetitions (default 5)")
    parser.add_argument("--only", help=f"rows, comma-separated: {','.join(ROWS)}")
    parser.add_argument("--apt", action="store_true", help="also install packages (network)")
    parser.add_argument("--check", action="store_true", help="fail if a goal is missed")
    parser.add_argument("--dir", default="/var/tmp", help="where temporary data goes (a disk)")
    args = parser.parse_args()
    args.only = args.only.split(",") if args.only else [r for r in ROWS if r != "apt" or args.apt]
    if unknown := [r for r in args.only if r not in ROWS]:
        parser.error(f"no such row: {', '.join(unknown)}")
    if not args.kiln.exists():
        parser.error(f"{args.kiln} is not there: cargo build --release, or --kiln FILE")
    args.kiln = args.kiln.resolve()
    subprocess.run([HERE.parent / "scripts/need.sh", "busybox-static"], check=True)

    work = Path(tempfile.mkdtemp(prefix="kiln-bench-", dir=args.dir))
    try:
        rows, names, remarks, about = measure(args, work)
    except Failed as e:
        sys.exit(f"\nerror: {e}")
    finally:
        shutil.rmtree(work, ignore_errors=True)

    print_table(rows, names)
    for remark in remarks:
        print(remark)
    print()
    results = goals(rows)
    for g in results:
        sign = "met   " if g["met"] else "MISSED"
        print(f"{sign}  {g['what']}: {g['value']:.2f} {g['unit']}, goal {g['goal']}")
    about["rows"] = {
        row: {name: [vars(s) for s in samples] for name, samples in by.items()}
        for row, by in rows.items()
    }
    about["goals"] = results
    (HERE / "results.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n")
    if args.check and not all(g["met"] for g in results):
        sys.exit(1)


if __name__ == "__main__":
    main()
