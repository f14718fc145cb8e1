#!/bin/sh
# require-swift.sh SWIFT: says what is missing to build here, and where to get it.
set -eu
if [ "$(uname -s)" != Linux ]; then
    echo "Plimsoll reads Linux's /proc and the GPU's driver: it builds and runs on Linux alone, and this is $(uname -s)." >&2
    echo "A recording of another machine can be read on a Linux one: plimsoll --replay FILE" >&2
    exit 1
fi
if ! version=$("$1" --version 2>/dev/null | grep -o 'Swift version [0-9]*\.[0-9]*' | grep -o '[0-9]*\.[0-9]*'); then
    echo "There is no '$1' here. Plimsoll needs Swift 6.2 or later: https://www.swift.org/install/linux/" >&2
    exit 1
fi
major=${version%.*}
minor=${version#*.}
if [ "$major" -lt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -lt 2 ]; }; then
    echo "This is Swift $version. Plimsoll needs Swift 6.2 or later: https://www.swift.org/install/linux/" >&2
    exit 1
fi
