#!/usr/bin/env bash
# Runs all tests. Arguments go to `cargo nextest run`.
#
# Root is needed: the end-to-end tests start dockerd and make users, device files and mounts. As an
# ordinary user this script builds as that user and runs the test programs through sudo.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/need.sh docker.io buildah skopeo umoci mmdebstrap debian-archive-keyring busybox-static \
    docker-registry apache2-utils openssl uidmap libcap2-bin attr xz-utils zstd bzip2 git curl \
    procps time podman openssh-client python3-docker chromium chromium-driver slirp4netns passt

if ! cargo nextest --version >/dev/null 2>&1; then
    echo "Installing cargo-nextest (2 to 4 minutes)"
    # Unoptimised: it tests as fast and compiles in a third of the time.
    CARGO_PROFILE_DEV_DEBUG=0 cargo install cargo-nextest --locked --debug --quiet
fi

if [ "$(id -u)" != 0 ]; then
    host=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
    export "CARGO_TARGET_${host}_RUNNER=sudo --preserve-env"
fi
cargo nextest run --workspace "$@"
