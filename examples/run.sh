#!/usr/bin/env bash
# Builds Kiln, makes a Debian 12 base image, and builds two examples on it.
# As root or as an ordinary user; what is missing is installed by apt-get (with sudo).
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n==> %s\n' "$*"; }
kiln() {
    printf '$ kiln %s\n' "$*"
    "$bin" "$@"
}

say "Kiln"
cargo build --release --bin kiln
bin=${CARGO_TARGET_DIR:-target}/release/kiln
# newuidmap, by which an ordinary user gets more than one user id.
[ "$(id -u)" = 0 ] || scripts/need.sh uidmap

work=$(mktemp -d "${TMPDIR:-/tmp}/kiln-examples.XXXXXX")
trap 'rm -rf "$work"' EXIT

if ! "$bin" inspect debian:12 >/dev/null 2>&1; then
    say "The base image, debian:12"
    scripts/debian.sh "$work/debian.tar"
    kiln import -m "Debian 12 made by mmdebstrap" "$work/debian.tar" debian:12
fi

say "One stage: examples/iam-apiserver"
kiln build -t iam-apiserver:v1 examples/iam-apiserver
kiln history iam-apiserver:v1

say "Two stages: examples/multi-stage (gcc from the Debian archive, then FROM scratch)"
kiln build -t crc32 --output "type=local,dest=$work/crc32" --output type=image examples/multi-stage
kiln history crc32

say "The images"
kiln images

say "The program of the second image, which is static, run here"
printf '$ crc32 LICENSE\n'
"$work/crc32/crc32" LICENSE
