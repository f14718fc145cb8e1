#!/bin/sh
# test-install.sh FOLDER: what `make dist` left in FOLDER, installed and removed in a fresh Debian, each way that
# docs/installing.md tells; and the image, where PLIMSOLL_TEST_DOCKER_HOST names an engine to build it on.
# Nothing of this machine is touched. Without root or debootstrap it says what to type; under CI that is a failure.
#
# PLIMSOLL_TEST_ROOT  a folder to keep the fresh Debian in, so that the next run need only copy it.
set -eu
cd "$(dirname "$0")/.."
dist=$(cd "$1" && pwd)
step() { echo "test-install: $1"; }
fail() {
    echo "test-install: $1" >&2
    exit 1
}
# missing WHY LINE
missing() {
    [ -z "${CI:-}" ] || fail "$1"
    echo "test-install: $1, so nothing was tested; type: $2"
    exit 0
}
[ "$(id -u)" -eq 0 ] || missing "a root file system takes root" "sudo make test-install"
command -v debootstrap >/dev/null || missing "there is no debootstrap here" "sudo apt install debootstrap"
command -v dpkg-deb >/dev/null || missing "there is no dpkg-deb here" "sudo apt install dpkg"

work=$(mktemp -d)
cleanup() {
    trap - EXIT
    sh scripts/test-image.sh remove "$work" || true
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
fresh=${PLIMSOLL_TEST_ROOT:-$work/fresh}
root=$work/root
version=$(.build/release/plimsoll --version)

# From where this machine has its own packages, if it is a Debian.
if [ ! -e "$fresh/.complete" ]; then
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' 2>/dev/null |
        awk '$2 == "bookworm" { print $1; exit }')
    step "a fresh Debian from ${mirror:=http://deb.debian.org/debian}"
    debootstrap --variant=minbase --include=man-db,bash-completion,zsh,fish bookworm "$fresh" "$mirror" \
        >"$work/debootstrap.log" 2>&1 || { tail -n 20 "$work/debootstrap.log" >&2; fail "debootstrap failed"; }
    touch "$fresh/.complete"
fi
cp -a "$fresh" "$root"

# inside COMMAND…: in the fresh Debian, with a /proc of its own mount namespace, which goes with it.
inside() {
    unshare --mount sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$root" \
        env -i PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}
# listing [TEST…]: every path (of this kind) but what dpkg and man-db keep of their own doings, and what running programs leave.
listing() {
    (cd "$root" && find . -xdev \( -path ./proc -o -path ./tmp -o -path ./var/cache -o -path ./var/log -o -path ./var/lib/dpkg \
        -o -path ./root \) -prune -o "$@" -print | LC_ALL=C sort)
}
listing >"$work/before"
listing ! -type d >"$work/files-before"
same() {
    diff "$1" "$2" >"$work/left" || { cat "$work/left" >&2; fail "$3 left or took something"; }
}
left_nothing() {
    listing >"$work/after"
    same "$work/before" "$work/after" "$1"
}
# uninstall.sh lets folders stay.
left_no_file() {
    listing ! -type d >"$work/files-after"
    same "$work/files-before" "$work/files-after" "$1"
}
# holds TEXT COMMAND…: what the command prints holds the text.
holds() {
    text=$1
    shift
    "$@" >"$work/output" 2>&1 || { cat "$work/output" >&2; fail "failed: $*"; }
    grep -qF -- "$text" "$work/output" || { cat "$work/output" >&2; fail "no '$text' from: $*"; }
}

cat >"$root/tmp/complete.bash" <<'END'
. /usr/share/bash-completion/bash_completion
_completion_loader plimsoll
COMP_WORDS=(plimsoll st) COMP_CWORD=1 COMP_LINE='plimsoll st' COMP_POINT=11
_plimsoll plimsoll st plimsoll
echo "completed: ${COMPREPLY[*]}"
END
# takes_no_library_beside: the loader refuses a file that is no library ("file too short"), if it looks at it.
takes_no_library_beside() {
    beside=$root$(inside sh -c 'dirname "$(readlink -f "$(command -v plimsoll)")"')
    planted="libnvidia-ml.so.1 libcuda.so.1 libc.so.6 libm.so.6 libstdc++.so.6 libgcc_s.so.1"
    for library in $planted; do
        [ ! -e "$beside/$library" ] || fail "there is $beside/$library"
        : >"$beside/$library"
    done
    # Without a driver the last two fail by themselves.
    { inside plimsoll --version || true; inside plimsoll || true; inside plimsoll check || true; } >"$work/output" 2>&1
    ! grep -F 'file too short' "$work/output" >&2 || fail "a library beside the program is loaded"
    [ "$(sed 1q "$work/output")" = "$version" ] || { cat "$work/output" >&2; fail "plimsoll --version, with libraries beside it"; }
    for library in $planted; do rm "$beside/$library"; done
}
# works: the installed program, its manual, and its completions where each shell looks for them.
works() {
    [ "$(inside plimsoll --version)" = "$version" ] || fail "plimsoll --version"
    code=0
    inside plimsoll >"$work/output" 2>"$work/errors" || code=$?
    [ "$code" -eq 2 ] && grep -q '^plimsoll: nvml: no NVIDIA driver library' "$work/errors" && [ ! -s "$work/output" ] ||
        { cat "$work/output" "$work/errors" >&2; fail "without a driver: exit code $code"; }
    takes_no_library_beside
    holds 'show which container uses how much GPU memory' inside man plimsoll
    holds 'show which container uses how much GPU memory' inside man docker-gpu
    [ "$(inside bash /tmp/complete.bash)" = 'completed: stats' ] || fail "bash does not complete 'plimsoll st'"
    holds 'plimsoll=_plimsoll' inside zsh -fc 'autoload -Uz compinit && compinit -u -D && echo plimsoll=$_comps[plimsoll]'
    holds 'ran _plimsoll' inside zsh -fc 'autoload -Uz compinit && compinit -u -D && autoload +X _plimsoll && echo ran _plimsoll'
    # What a session sets; without it fish looks in /usr/share alone.
    holds stats inside env XDG_DATA_DIRS=/usr/local/share:/usr/share fish -c 'complete -C "plimsoll st"'
}

# measures: with nothing but the driver, which is simulated: its libraries in the system's folder, its socket in here.
measures() {
    libraries=$root/usr/lib/$(uname -m)-linux-gnu
    cp ".build/debug/libSimulatedNVML.so" "$libraries/libnvidia-ml.so.1"
    cp ".build/debug/libSimulatedCUDA.so" "$libraries/libcuda.so.1"
    mkdir -p "$root/run/gpusim"
    .build/debug/gpusimd Simulator/hosts/h100-r580.json "$root/run/gpusim/socket" >"$work/gpusimd.log" 2>&1 &
    daemon=$!
    until grep -q ready "$work/gpusimd.log"; do
        kill -0 "$daemon" 2>/dev/null || { cat "$work/gpusimd.log" >&2; fail "gpusimd did not start"; }
        sleep 0.1
    done
    code=0
    # No PID namespace: its /proc cannot be mounted in a chroot.
    inside plimsoll measure --output /tmp/measured.json --step context --step rounding --step ipc --step managed \
        --step nvidia-smi --step container >"$work/output" 2>&1 || code=$?
    kill "$daemon"
    wait "$daemon" 2>/dev/null || true
    rm -rf "$libraries/libnvidia-ml.so.1" "$libraries/libcuda.so.1" "$root/run/gpusim"
    [ "$code" -eq 0 ] && grep -q '^Steps: 4 agreed, 2 not tried$' "$work/output" &&
        grep -q '"complete": true' "$root/tmp/measured.json" || { cat "$work/output" >&2; fail "plimsoll measure: exit code $code"; }
}

# The docker client of this machine, if it starts in there: what matters is where it looks for plugins.
client=$(command -v docker || true)
[ -z "$client" ] || install -m 755 "$(readlink -f "$client")" "$root/tmp/docker"
if [ -n "$client" ] && inside /tmp/docker --version >/dev/null 2>&1; then client=yes; else client=; fi
[ -n "$client" ] || [ -z "${CI:-}" ] || fail "no docker client that starts in there"
# plugin_works HOME
plugin_works() {
    [ -n "$client" ] || { step "no docker client: \`docker gpu\` was not tried"; return; }
    holds 'GPU memory of containers' inside env HOME="$1" /tmp/docker --help
    [ "$(inside env HOME="$1" /tmp/docker gpu --version)" = "$version" ] || fail "docker gpu --version"
    holds 'docker gpu stats' inside env HOME="$1" /tmp/docker gpu stats --help
}

step "the Debian package"
cp "$dist"/plimsoll_*.deb "$root/tmp/plimsoll.deb"
inside dpkg -i /tmp/plimsoll.deb >"$work/output" 2>&1 || { cat "$work/output" >&2; fail "dpkg -i"; }
inside dpkg --verify plimsoll
works
plugin_works /root
inside dpkg -r plimsoll >"$work/output" 2>&1 || { cat "$work/output" >&2; fail "dpkg -r"; }
left_nothing "the Debian package"

step "the tarball, for all users, by what INSTALL says"
tar -C "$root/tmp" --strip-components=1 --one-top-level=unpacked -xzf "$dist"/plimsoll-*.tar.gz
inside sh -euc "$(sed -n 's/^    sudo //; /^cp /p' "$root/tmp/unpacked/INSTALL" | sed 's,^,cd /tmp/unpacked; ,')"
works
plugin_works /root
if [ -x .build/debug/gpusimd ] && [ -e .build/debug/libSimulatedCUDA.so ]; then
    step "plimsoll measure, from the tarball, with nothing but a simulated driver"
    measures
else
    [ -z "${CI:-}" ] || fail "no simulator in .build/debug"
    step "no simulator in .build/debug, so plimsoll measure was not tried; type: make test"
fi
inside sh -euc "$(sed -n 's/^    sudo //; /^sh /p' "$root/tmp/unpacked/INSTALL" | sed 's,^,cd /tmp/unpacked; ,')" >/dev/null
left_no_file "the tarball"

step "make install, for all users"
make --no-print-directory install DESTDIR="$root" PREFIX=/usr/local >/dev/null
works
plugin_works /root
make --no-print-directory uninstall DESTDIR="$root" PREFIX=/usr/local >/dev/null
left_no_file "make install"

step "make install, for one user"
home=/tmp/home
mkdir -p "$root$home"
make --no-print-directory install DESTDIR="$root" PREFIX="$home/.local" HOME="$home" >/dev/null
[ "$(inside "$home/.local/bin/plimsoll" --version)" = "$version" ] || fail "plimsoll --version"
[ "$(inside env HOME="$home" bash /tmp/complete.bash)" = 'completed: stats' ] || fail "bash does not complete for one user"
plugin_works "$home"
make --no-print-directory uninstall DESTDIR="$root" PREFIX="$home/.local" HOME="$home" >/dev/null
left=$(find "$root$home" ! -type d)
[ -z "$left" ] || fail "make install for one user left $left"

step "make install, without the rights"
mkdir -p "$root/tmp/source"
cp -R scripts docs packaging "$root/tmp/source"
chmod -R a+rX "$root/tmp/source"
code=0
chroot --userspec=65534:65534 "$root" sh /tmp/source/scripts/install.sh /bin/true /usr/local/bin /usr/local/share \
    /usr/local/lib/docker/cli-plugins >"$work/output" 2>&1 || code=$?
[ "$code" -eq 1 ] && grep -q 'sudo make install' "$work/output" || { cat "$work/output" >&2; fail "no line to type: $code"; }
left_no_file "make install without the rights"

if [ -n "${PLIMSOLL_TEST_DOCKER_HOST:-}" ]; then
    step "the image"
    sh scripts/test-image.sh test "$work" "$root"
elif [ -n "${CI:-}" ]; then
    fail "PLIMSOLL_TEST_DOCKER_HOST names no engine"
else
    step "PLIMSOLL_TEST_DOCKER_HOST names no engine: the image was not built"
fi
step "all is well"
