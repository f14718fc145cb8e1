#!/bin/sh
# with-engine.sh COMMAND…: runs a command beside a Docker engine of its own, on a private socket, that gives simulated GPUs for
# --gpus; nothing of this machine's engine is touched. Takes root. As in: sudo env "PATH=$PATH" scripts/with-engine.sh make test
#
# The command finds the engine by PLIMSOLL_TEST_DOCKER_HOST, and DOCKER_HOST where that is not set.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
for program in dockerd docker; do
    command -v "$program" >/dev/null || {
        echo "with-engine: there is no $program here; on Debian type: sudo apt install docker.io" >&2
        exit 2
    }
done
work=$(mktemp -d /tmp/plimsoll-engine-XXXXXX)
socket=$work/docker.sock
# The engine takes GPUs for something that it can give where it finds NVIDIA's hook in its PATH.
PATH="$top/Simulator/runtime:$PATH" dockerd --data-root "$work/data" --exec-root "$work/exec" -p "$work/pid" \
    -H "unix://$socket" --bridge=none --iptables=false >"$work/dockerd.log" 2>&1 &
engine=$!
finish() {
    trap - EXIT
    kill "$engine" 2>/dev/null || true
    wait "$engine" 2>/dev/null || true
    rm -rf "$work" 2>/dev/null || true
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
tries=0
until docker -H "unix://$socket" version >/dev/null 2>&1; do
    tries=$((tries + 1))
    if ! kill -0 "$engine" 2>/dev/null || [ "$tries" -gt 150 ]; then
        cat "$work/dockerd.log" >&2
        exit 2
    fi
    sleep 0.2
done
export PLIMSOLL_TEST_DOCKER_HOST="unix://$socket" PLIMSOLL_TEST_GPU_REQUESTS=1
DOCKER_HOST="${DOCKER_HOST:-$PLIMSOLL_TEST_DOCKER_HOST}" "$@"
