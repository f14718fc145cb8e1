#!/bin/sh
# test-image.sh test WORK ROOT: builds the Dockerfile on the engine of PLIMSOLL_TEST_DOCKER_HOST, upon a base image made of the
# root file system ROOT in place of the one that it names, and runs it as it says, beside a container that holds memory of a
# simulated GPU. The folder WORK is for its files.
# test-image.sh remove WORK: removes what that left, also where it was cut off.
set -eu
cd "$(dirname "$0")/.."
work=$2
[ -n "${PLIMSOLL_TEST_DOCKER_HOST:-}" ] || exit 0
export DOCKER_HOST="$PLIMSOLL_TEST_DOCKER_HOST"
name=plimsoll-test-$(basename "$work" | tr 'A-Z' 'a-z' | tr -cd 'a-z0-9')
build=$(pwd)/.build/debug
fail() {
    echo "test-image: $1" >&2
    exit 1
}

if [ "$1" = remove ]; then
    [ ! -e "$work/gpusimd.pid" ] || kill "$(cat "$work/gpusimd.pid")" 2>/dev/null || true
    docker rm -f "$name" >/dev/null 2>&1 || true
    docker rmi "$name:tool" "$name:unpacked" "$name:base" "$name:holder" >/dev/null 2>&1 || true
    exit 0
fi
root=$3

tar -C "$root" --one-file-system --exclude=./tmp/* --exclude=./var/cache/* -c . | docker import - "$name:base" >/dev/null
# The engine may have no network and no BuildKit; neither is needed. The first stage gets a name, so that it can be removed.
for stage in unpacked tool; do
    DOCKER_BUILDKIT=0 docker build --network none --build-arg BASE="$name:base" --target "$stage" -t "$name:$stage" . \
        >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; fail "docker build"; }
done

version=$(docker run --rm --network none "$name:tool" --version)
[ "$version" = "$(.build/release/plimsoll --version)" ] || fail "--version says $version"
code=0
docker run --rm --network none "$name:tool" >"$work/output" 2>&1 || code=$?
[ "$code" -eq 2 ] && grep -q 'no NVIDIA driver library' "$work/output" ||
    { cat "$work/output" >&2; fail "without a driver: exit code $code"; }

[ -x "$build/gpusimd" ] && [ -x "$build/gpusim-hold" ] || {
    [ -z "${CI:-}" ] || fail "the simulated GPU is not built"
    echo "test-image: the simulated GPU is not built, so the image was run without one; type: make demo"
    exit 0
}
socket=${PLIMSOLL_TEST_DOCKER_HOST#unix://}
mkdir -p "$work/lib" "$work/socket"
chmod 755 "$work"
cp "$build/libSimulatedNVML.so" "$work/lib/libnvidia-ml.so.1"
cp "$build/libSimulatedCUDA.so" "$work/lib/libcuda.so.1"
"$build/gpusimd" Simulator/hosts/two-cards.json "$work/socket/socket" >"$work/gpusimd.log" 2>&1 &
echo $! >"$work/gpusimd.pid"
until grep -q ready "$work/gpusimd.log"; do
    kill -0 $! 2>/dev/null || { cat "$work/gpusimd.log" >&2; fail "gpusimd"; }
    sleep 0.1
done
sh Simulator/make-image.sh "$name:holder" "$build/gpusim-hold"
simulated="-v $work/lib:/usr/lib/gpusim:ro -v $work/socket:/run/gpusim -e LD_LIBRARY_PATH=/usr/lib/gpusim"
docker run -d --name "$name" --label plimsoll.test --network none $simulated "$name:holder" /bin/gpusim-hold 0:1GiB >/dev/null
tries=0
until docker logs "$name" 2>&1 | grep -q holding; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || { docker logs "$name" >&2; fail "the container does not hold"; }
    sleep 0.1
done

# The line that the Dockerfile gives, with the simulated driver's library in the place of --gpus. The card's context is 380 MiB.
docker run --rm --network none --pid=host -v "$socket:/var/run/docker.sock:ro" $simulated "$name:tool" \
    stats --no-stream --format '{{.Name}} {{.GPU}} {{.GPUMem}}' >"$work/output" 2>"$work/errors" ||
    { cat "$work/errors" >&2; fail "docker run"; }
[ "$(cat "$work/output")" = "$name 0 1.371GiB" ] && [ ! -s "$work/errors" ] ||
    { cat "$work/output" "$work/errors" >&2; fail "it does not see the container"; }
# And why it gives --pid=host: without it, whose the memory is cannot be told.
docker run --rm --network none -v "$socket:/var/run/docker.sock:ro" $simulated "$name:tool" \
    stats --no-stream --format '{{.Name}}' >"$work/output" 2>&1 || true
if grep -qF "$name" "$work/output"; then fail "it sees the container without --pid=host too, so the Dockerfile is wrong"; fi
