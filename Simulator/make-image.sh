#!/bin/sh
# make-image.sh IMAGE PROGRAM…: imports an image with only these programs, in /bin, and the shared libraries that they need.
# It needs no network and no base image, only a docker client with an engine.
set -eu
image=$1
shift
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/run" "$root/tmp" "$root/etc" "$root/usr/bin" "$root/usr/lib/$(uname -m)-linux-gnu" "$root/usr/lib64"
for folder in bin lib lib64; do ln -s "usr/$folder" "$root/$folder"; done
echo 'root:x:0:0:root:/:/bin/false' >"$root/etc/passwd"
for program in "$@"; do
    cp "$program" "$root/bin/"
    for library in $(ldd "$program" | grep -o '/[^ )]*'); do
        mkdir -p "$root$(dirname "$library")"
        cp -L "$library" "$root$library"
    done
done
tar -C "$root" -c . | docker import - "$image" >/dev/null
