#!/bin/sh
# with-engine.sh [--cgroup2] COMMAND…: runs a command beside a Docker engine of its own, on a private socket, that gives simulated
# GPUs for --gpus; nothing of this machine's engine is touched. Takes root. As in:
#
#     sudo env "PATH=$PATH" scripts/with-engine.sh make test
#
# With --cgroup2 the command and the engine see cgroup v2 alone, in a mount namespace of their own, whatever this machine has. If
# the machine itself has v1, the memory and dmem controllers stay there and are missing.
#
# The command finds the engine by PLIMSOLL_TEST_DOCKER_HOST, and DOCKER_HOST where that is not set.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
if [ "${1:-}" = --cgroup2 ]; then
    shift
    command -v unshare >/dev/null || {
        echo "with-engine: there is no unshare here; on Debian type: sudo apt install util-linux" >&2
        exit 2
    }
    export PLIMSOLL_TEST_CGROUP2=1
    # shellcheck disable=SC2016
    exec unshare --mount --propagation private sh -c '
        umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup || exit 2
        exec "$@"' sh "$top/scripts/with-engine.sh" "$@"
fi
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
