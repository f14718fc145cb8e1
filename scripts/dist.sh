#!/bin/sh
# dist.sh PROGRAM FOLDER: what is handed out, for this machine's architecture: a tarball, a Debian package and their checksums.
# The same program gives the same files, to the byte: all times are the last commit's (or SOURCE_DATE_EPOCH).
set -eu
umask 022
cd "$(dirname "$0")/.."
program=$1 out=$2
version=$("$program" --version)
machine=$(uname -m)
case $machine in
    x86_64) architecture=amd64 ;;
    aarch64) architecture=arm64 ;;
    *) architecture=$machine ;;
esac
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}"
export SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf "$out"
mkdir -p "$out"
name=plimsoll-$version-linux-$machine
root=$work/$name
sh scripts/install.sh "$program" "$root/bin" "$root/share" "$root/lib/docker/cli-plugins" >/dev/null
sh scripts/check-binary.sh "$root/bin/plimsoll"

install -m 644 LICENSE README.md "$root"
install -m 644 scripts/uninstall.sh "$root"
sed "s/@VERSION@/$version/; s/@MACHINE@/$machine/" packaging/INSTALL >"$root/INSTALL"
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" --format=gnu -c "$name" |
    gzip -9n >"$out/$name.tar.gz"

if command -v dpkg-deb >/dev/null; then
    package=$work/package
    share=$package/usr/share
    sh scripts/install.sh "$program" "$package/usr/bin" "$share" "$package/usr/libexec/docker/cli-plugins" >/dev/null
    # Where Debian's zsh looks for what packages bring; site-functions is the administrator's there.
    mv "$share/zsh/site-functions" "$share/zsh/vendor-completions"
    gzip -9n "$share"/man/man1/*.1
    install -D -m 644 packaging/copyright "$share/doc/plimsoll/copyright"
    mkdir "$package/DEBIAN"
    (cd "$package" && find usr -type f | LC_ALL=C sort | xargs md5sum) >"$package/DEBIAN/md5sums"
    size=$(du -sk --apparent-size "$package/usr" | cut -f 1)
    sed "s/@VERSION@/$version/; s/@ARCHITECTURE@/$architecture/; s/@SIZE@/$size/" packaging/control >"$package/DEBIAN/control"
    dpkg-deb --build --root-owner-group -Zxz "$package" "$out/plimsoll_${version}_$architecture.deb" >/dev/null
else
    echo "There is no dpkg-deb here, so there is no Debian package; type: sudo apt install dpkg" >&2
fi
(cd "$out" && sha256sum plimsoll* >SHA256SUMS && cat SHA256SUMS)
