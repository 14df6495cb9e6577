#!/usr/bin/env python3
"""Times `kiln check` over 1,000 Dockerfiles: those of the tests, again and again.

    cargo build --release && bench/check.py

Prints the median of five runs, and fails above one second.
"""

import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
KILN = ROOT / "target/release/kiln"
COUNT = 1000
RUNS = 5
LIMIT = 1.0


def sources():
    found = sorted(ROOT.glob("tests/**/Dockerfile")) + sorted(ROOT.glob("examples/*/Dockerfile"))
    return [path.read_bytes() for path in found]


def main():
    texts = sources()
    with tempfile.TemporaryDirectory(prefix="kiln-check-") as name:
        for n in range(COUNT):
            directory = pathlib.Path(name, f"{n:04}")
            directory.mkdir()
            directory.joinpath("Dockerfile").write_bytes(texts[n % len(texts)])
        times = []
        for _ in range(RUNS):
            began = time.monotonic()
            done = subprocess.run(
                [KILN, "check", "--format", "json", "--fail-on", "never", name],
                capture_output=True,
                check=False,
            )
            times.append(time.monotonic() - began)
            # 1: some of the tests' files are broken on purpose.
            if done.returncode not in (0, 1) or not done.stdout:
                sys.exit(f"kiln check failed: {done.stderr.decode()}")
        median = statistics.median(times)
        print(f"{COUNT} Dockerfiles ({len(texts)} different): {median * 1000:.0f} ms")
        if median > LIMIT:
            sys.exit(f"above {LIMIT} s")


if __name__ == "__main__":
    main()
