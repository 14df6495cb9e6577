#!/usr/bin/env bash
# Installs the Debian packages named as arguments that aren't there yet.
set -euo pipefail

missing=()
for package in "$@"; do
    status=$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "error: missing: ${missing[*]}; there is no apt-get here, install them another way" >&2
    exit 1
fi
as_root=()
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "error: missing: ${missing[*]}; run as root: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "Installing ${missing[*]}"
# Mirrors fail now and then; apt's own retries cover a download, not an index.
for try in 1 2 3; do
    "${as_root[@]}" apt-get update -qq && break
    [ "$try" -lt 3 ] || exit 1
    sleep 5
done
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -qq --yes --no-install-recommends -o Acquire::Retries=3 \
    -o Dpkg::Use-Pty=0 "${missing[@]}" </dev/null >/dev/null
