#!/bin/sh
# make-image.sh IMAGE PROGRAM…: imports an image that holds these programs in /bin and the shared libraries that they need,
# and nothing else. It takes no network and no base image, only a docker client with an engine.
set -eu
image=$1
shift
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/bin" "$root/run" "$root/tmp" "$root/etc"
echo 'root:x:0:0:root:/:/bin/false' >"$root/etc/passwd"
for program in "$@"; do
    cp "$program" "$root/bin/"
    for library in $(ldd "$program" | grep -o '/[^ )]*'); do
        mkdir -p "$root$(dirname "$library")"
        cp -L "$library" "$root$library"
    done
done
tar -C "$root" -c . | docker import - "$image" >/dev/null
