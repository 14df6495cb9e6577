#!/usr/bin/env bash
# Writes a minimal Debian 12 root file system as a tar to the path given.
#
# It is fetched from where this machine gets its own packages, if that is Debian 12, or else from
# deb.debian.org. A proxy and other settings of apt that downloads depend on go into the tar too, so
# that `RUN apt-get install` works wherever this script does.
set -euo pipefail
out=${1:?usage: scripts/debian.sh OUT.tar}
cd "$(dirname "$0")/.."

packages=(mmdebstrap debian-archive-keyring)
[ "$(id -u)" = 0 ] || packages+=(uidmap)
scripts/need.sh "${packages[@]}"

work=$(mktemp -d "${TMPDIR:-/tmp}/kiln-debian.XXXXXX")
trap 'rm -rf "$work"' EXIT

apt-config dump | grep -Ei '^Acquire::(Check-|https?::|Retries)' >"$work/apt.conf" || true
for scheme in http https; do
    name=${scheme}_proxy
    [ -z "${!name:-}" ] || echo "Acquire::$scheme::Proxy \"${!name}\";" >>"$work/apt.conf"
done

apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' 'Origin: Debian' 2>/dev/null |
    grep -E ' bookworm(-updates|-security)? main$' | sort -u >"$work/debian.list" || true
sources=()
! grep -q ' bookworm main$' "$work/debian.list" || sources=("$work/debian.list")

echo "Making Debian 12 with mmdebstrap (about 15 s)"
mmdebstrap --quiet --variant=minbase --include=ca-certificates,tzdata \
    --aptopt="$work/apt.conf" --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    bookworm "$work/debian.tar" "${sources[@]}" </dev/null
mv "$work/debian.tar" "$out"
