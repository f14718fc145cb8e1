#!/bin/sh
# check-binary.sh PROGRAM: whether a stripped program is small, and starts on Ubuntu 22.04 and Rocky Linux 9 as their base images
# are. Those have glibc 2.35 and 2.34, and libstdc++ of GCC 12 and 11; what these symbol versions are is in GCC's ABI policy
# (https://gcc.gnu.org/onlinedocs/libstdc++/manual/abi.html).
set -eu
program=$1
failed=0
fail() {
    echo "check-binary: $program $1" >&2
    failed=1
}
command -v objdump >/dev/null || {
    echo "check-binary: there is no objdump here; type: sudo apt install binutils" >&2
    exit 1
}

size=$(stat -c %s "$program")
[ "$size" -le 18000000 ] || fail "has $size bytes, above 18000000"

# newest PREFIX: the newest version of these symbols that the program asks the libraries for.
newest() {
    objdump -T "$program" | grep -F '*UND*' | grep -oE "\(?$1_[0-9.]+" | grep -oE '[0-9.]+$' | sort -uV | tail -n 1
}
# within PREFIX LIMIT
within() {
    version=$(newest "$1")
    [ -n "$version" ] || return 0
    [ "$(printf '%s\n' "$version" "$2" | sort -V | tail -n 1)" = "$2" ] || fail "asks for $1_$version, above $2"
    echo "  $1_$version"
}
echo "$program: $size bytes, asks for"
within GLIBC 2.34
within GLIBCXX 3.4.29
within CXXABI 1.3.13
within GCC 11

# A library beside the program, or wherever else such a path leads, would be loaded in place of the system's.
paths=$(objdump -p "$program" | awk '$1 == "RPATH" || $1 == "RUNPATH" { print $1, $2 }')
[ -z "$paths" ] || fail "looks for libraries in folders of its own: $paths; build it with make"

for library in $(objdump -p "$program" | awk '$1 == "NEEDED" { print $2 }'); do
    echo "  $library"
    case $library in
        # glibc's own.
        libc.so.6 | libm.so.6 | libdl.so.2 | libpthread.so.0 | librt.so.1 | ld-linux-x86-64.so.2 | ld-linux-aarch64.so.1) ;;
        # There because the images' package managers are written in C++.
        libstdc++.so.6 | libgcc_s.so.1) ;;
        *) fail "needs $library, which a base image may lack" ;;
    esac
done
exit "$failed"
