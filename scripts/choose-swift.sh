#!/bin/sh
# choose-swift.sh: prints the command that builds here: swift, or, on a host without Swift, scripts/swift-in-docker if Docker answers.
# If there is neither, it prints swift, and require-swift.sh says what to install.
set -eu
image=$(sed -n 's/^image=//p' "$(dirname "$0")/swift-in-docker")
if command -v swift >/dev/null || ! command -v docker >/dev/null; then
    echo swift
elif timeout 10 docker info >/dev/null 2>&1; then
    echo "No swift on this host: building in the Docker image $image." >&2
    echo "$(cd "$(dirname "$0")" && pwd)/swift-in-docker"
else
    echo "No swift on this host, and Docker does not answer this user (docker info)." >&2
    echo swift
fi
