#!/usr/bin/env bash
# Makes fuzz/seeds anew, with the programs whose output Kiln has to read. Needs root, bsdtar
# (libarchive-tools), busybox, buildah, python3, skopeo, umoci, and `kiln` in PATH.
set -euo pipefail
cd "$(dirname "$0")"
seeds=$PWD/seeds
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export KILN_ROOT=$work/store SOURCE_DATE_EPOCH=1600000000

rm -rf seeds
mkdir -p seeds/{reference,manifest,layer,archive,dockerfile,shell}

# Names.
n=0
for name in busybox busybox:1.36 library/busybox docker.io/library/busybox:latest \
    index.docker.io/a/b localhost/a localhost:5000/a/b:t 127.0.0.1:5000/x \
    '[2001:db8::1]:5000/a' example.org/a__b/c-d.e/f--g:V1.0_x \
    "a@sha256:$(printf '' | sha256sum | cut -c1-64)" \
    "ghcr.io/o/i:v@sha256:$(printf x | sha256sum | cut -c1-64)" \
    "sha256:$(printf '' | sha256sum | cut -c1-64)" linux/arm/v7 windows/amd64; do
    n=$((n + 1))
    printf %s "$name" > "$seeds/reference/$(printf %02d $n)"
done

# A directory with one of everything.
tree=$work/tree
mkdir -p "$tree/dir/sub"
cd "$tree"
echo content > dir/file
printf 'more %.0s' {1..150} > dir/more
: > dir/empty
ln dir/file hard
ln -s dir/file soft
ln -s /etc/passwd absolute
ln -s "$(printf 'long%.0s' {1..40})" dir/long
mkfifo pipe
mknod null c 1 3
setfattr -n user.kept -v value dir/file
long=dir/sub/$(printf 'n%.0s' {1..110})
echo x > "$long"
chmod 4711 dir/more
chown 1000:50 dir/empty
chmod 1777 dir/sub
find . -exec touch -h -d @1600000000 {} +
layer() { cat > "$seeds/layer/$1"; }
tar --sort=name --format=gnu -cf - . | layer gnu.tar
tar --sort=name --format=oldgnu -b1 -cf - dir soft | layer oldgnu.tar
tar --sort=name --format=posix --xattrs --pax-option=delete=atime,delete=ctime -cf - . | layer posix.tar
tar --sort=name --format=ustar --exclude=long --exclude='nnn*' -cf - . | layer ustar.tar
tar --sort=name --format=v7 --exclude=long --exclude='nnn*' --exclude=pipe --exclude=null -cf - . | layer v7.tar
truncate -s 300000 sparse && printf end >> sparse
tar --format=gnu --sparse -cf - sparse | layer gnu-sparse.tar
tar --format=posix --sparse --pax-option=delete=atime,delete=ctime -cf - sparse | layer posix-sparse.tar
rm sparse
busybox tar -cf - dir/file dir/sub hard soft | layer busybox.tar
bsdtar --format=pax -cf - dir hard | layer bsdtar-pax.tar
bsdtar --format=gnutar -cf - dir hard soft | layer bsdtar-gnu.tar
python3 - <<'PY' | layer python.tar
import io, sys, tarfile
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT) as t:
    for name, kind, data in [("./", tarfile.DIRTYPE, b""), ("./é", tarfile.REGTYPE, b"text"),
                             ("././@x", tarfile.SYMTYPE, b""), ("/abs/x", tarfile.REGTYPE, b"y")]:
        i = tarfile.TarInfo(name)
        i.type, i.size, i.mtime, i.linkname = kind, len(data), -1.5, "é" if kind == tarfile.SYMTYPE else ""
        t.addfile(i, io.BytesIO(data))
PY
mkdir -p "$work/white/d"
cd "$work/white"
: > .wh.gone
: > d/.wh..wh..opq
: > d/.wh..wh.plnk
echo new > d/new
echo back > d/.wh.odd
find . -exec touch -h -d @1600000000 {} +
tar --sort=name -b1 -cf - .wh.gone d | layer whiteouts.tar
gzip -nc < "$seeds/layer/whiteouts.tar" | layer whiteouts.tar.gz
zstd -qc < "$seeds/layer/whiteouts.tar" | layer whiteouts.tar.zst

# Images.
mkdir "$work/ctx"
cd "$work/ctx"
echo one > one
cat > Dockerfile <<'DOCKERFILE'
FROM scratch
COPY one /d/one
ENV A=1 B="x y"
LABEL k=v
HEALTHCHECK --interval=5s CMD ["/x"]
EXPOSE 80 53/udp
VOLUME /v
SHELL ["/bin/sh", "-c"]
CMD ["a", "b"]
FROM 0
COPY one /d/two
ONBUILD RUN x
DOCKERFILE
kiln build -q -t one --target 0 . > /dev/null
kiln build -q -t two -t example.org/two:v . > /dev/null
at() { echo "$seeds/archive/$1"; }
kiln save -o "$(at kiln-docker.tar)" one two
kiln save --format oci -o "$(at kiln-oci.tar)" one example.org/two:v
copy() { skopeo --insecure-policy copy -q "$@"; }
copy "docker-archive:$(at kiln-docker.tar):two:latest" "docker-archive:$(at skopeo-docker.tar):two:v"
copy "docker-archive:$(at kiln-docker.tar):two:latest" "oci-archive:$(at skopeo-oci.tar):two:v"
gzip -9nc < "$(at kiln-docker.tar)" > "$(at kiln-docker.tar.gz)"
xz -c < "$(at skopeo-docker.tar)" > "$(at skopeo-docker.tar.xz)"
bzip2 -c < "$(at kiln-oci.tar)" > "$(at kiln-oci.tar.bz2)"
zstd -qc < "$(at skopeo-oci.tar)" > "$(at skopeo-oci.tar.zst)"
export STORAGE_DRIVER=vfs
b() { buildah --root "$work/b" --runroot "$work/r" "$@"; }
id=$(b from scratch)
b copy -q "$id" one /one > /dev/null
b commit -q "$id" made > /dev/null
b push -q made "docker-archive:$(at buildah-docker.tar):made:v"
b push -q made "oci-archive:$(at buildah-oci.tar):made:v"
# docker's older form: a directory a layer, shared layers as links.
mkdir "$work/old" "$work/new"
cd "$work/new"
tar -xf "$(at kiln-docker.tar)"
python3 - "$work/old" <<'PY'
import json, os, shutil, sys
out = sys.argv[1]
manifest = json.load(open("manifest.json"))
seen = {}
for image in manifest:
    layers = []
    for n, layer in enumerate(image["Layers"]):
        d = layer[:-4][:60] + str(len(seen)).zfill(4)
        os.mkdir(f"{out}/{d}")
        if layer in seen:
            os.symlink(f"../{seen[layer]}/layer.tar", f"{out}/{d}/layer.tar")
        else:
            shutil.copy(layer, f"{out}/{d}/layer.tar")
        seen.setdefault(layer, d)
        seen[d] = d
        layers.append(f"{d}/layer.tar")
    image["Layers"] = layers
    shutil.copy(image["Config"], out)
json.dump(manifest, open(f"{out}/manifest.json", "w"))
json.dump({}, open(f"{out}/repositories", "w"))
PY
tar -C "$work/old" --sort=name --mtime=@1600000000 -b1 -cf "$(at docker-old.tar)" .

# Manifests, indexes and configs.
m=$seeds/manifest
cp "$work/new/manifest.json" "$m/docker-list.json"
cp "$(ls "$work"/new/*.json | grep -v manifest.json | head -1)" "$m/kiln-config.json"
for from in kiln-oci skopeo-oci buildah-oci; do
    mkdir "$work/$from"
    tar -C "$work/$from" -xf "$(at $from.tar)"
    cp "$work/$from/index.json" "$m/$from-index.json"
    n=0
    for blob in "$work/$from"/blobs/sha256/*; do
        case $(head -c1 "$blob") in
            '{') n=$((n + 1)); cp "$blob" "$m/$from-$n.json" ;;
        esac
    done
done
copy --format v2s2 "docker-archive:$(at kiln-docker.tar):two:latest" "dir:$work/dir"
cp "$work/dir/manifest.json" "$m/docker-v2s2.json"
buildah --root "$work/b" --runroot "$work/r" manifest create list > /dev/null
b manifest add list "oci-archive:$(at buildah-oci.tar)" > /dev/null
b manifest inspect list > "$m/buildah-list.json"

# Dockerfiles: those of the conformance tests that have most in them.
for c in cmd-forms continuation-traps copy-heredoc directive-escape env-escapes expand-forms \
    expand-patterns healthcheck ignore-patterns label-forms heredoc onbuild run-heredoc \
    crlf comments-and-blank expose from-arg volume-forms; do
    case=$seeds/../../tests/conformance/$c
    [ ! -f "$case/Dockerfile" ] || cp "$case/Dockerfile" "$seeds/dockerfile/$c"
    [ ! -f "$case/.dockerignore" ] || cp "$case/.dockerignore" "$seeds/dockerfile/$c.ignore"
done
printf %s '${set:-a} "${unset:+b}" ${v#a*}${v%%.*} ${v/x/y}${v//x/} $odd '"'"'$c'"'"' \$d "\\"' > "$seeds/dockerfile/words"

# Scripts.
printf %s 'set -eux; v="$(cat /v)" && case "${v##*-}" in a|b) x=1;; *) exit 1;; esac; rm -rf $v `y` "$x"' \
    > "$seeds/shell/posix"
printf %s '[[ $a =~ ^(x|y)+$ ]] && m=([k]="v" b) && for ((i=0;i<3;i++)); do echo "${m[@]}" ${x:1:2} <(y) &>z; done' \
    > "$seeds/shell/bash"
printf '%s\n' 'cat <<A > f' '$x $(y) ${z%.*}' A 'cd d; egrep "a"b"c" *.x 2>&1 >/dev/null | while read l; do :; done' \
    > "$seeds/shell/documents"
find "$seeds" -type f | wc -l
du -sh --apparent-size "$seeds"
