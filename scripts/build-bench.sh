#!/bin/sh
# build-bench.sh SWIFT: builds, for release, what `make bench` runs.
set -eu
cd "$(dirname "$0")/.."
for product in plimsoll bench gpusimd gpusim-hold SimulatedNVML SimulatedCUDA; do
    "$1" build --disable-local-rpath --quiet -c release --product "$product"
done
# The package manager links Swift's runtime into C programs too, and a floor that loads it would be no floor. So these are
# built by the toolchain's own C compiler.
clang=$(dirname "$(command -v "$1")")/clang
[ -x "$clang" ] || clang=clang
for program in floor measure sleepers busy descriptors; do
    "$clang" -std=gnu11 -O2 -Wall -Wextra -Werror -I Sources/CNVML/include -o ".build/release/bench-$program" \
        "Benchmarks/$program/main.c" -ldl
done
