#!/bin/sh
# require-swift.sh SWIFT: says what is missing to build here, and where to get it. SWIFT may be scripts/swift-in-docker.
set -eu
if [ "$(uname -s)" != Linux ]; then
    echo "Plimsoll reads Linux's /proc and the GPU's driver. It builds and runs only on Linux; this is $(uname -s)." >&2
    echo "On a Linux host, you can read a recording of another host: plimsoll --replay FILE" >&2
    exit 1
fi
if ! version=$("$1" --version 2>/dev/null | grep -o 'Swift version [0-9]*\.[0-9]*' | grep -o '[0-9]*\.[0-9]*'); then
    echo "'$1' not found. Install Swift 6.2 or later: https://www.swift.org/install/linux/" >&2
    echo "Or install Docker: make then builds in the official swift image." >&2
    exit 1
fi
major=${version%.*}
minor=${version#*.}
if [ "$major" -lt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -lt 2 ]; }; then
    echo "Swift $version is too old. Plimsoll needs Swift 6.2 or later: https://www.swift.org/install/linux/" >&2
    exit 1
fi
