#!/bin/sh
# demo.sh: shows the ledger, live, on containers that hold memory of a simulated GPU; where no Docker engine answers, on
# processes. Whatever it starts it removes at the end, and on Ctrl-C.
#
# DEMO_SECONDS  how long the live view runs on a terminal, 60 by default. Elsewhere it is one reading.
set -eu
cd "$(dirname "$0")/.."
build=$(pwd)/.build/debug
work=$(mktemp -d)
label=plimsoll.demo=$$
image=plimsoll-demo:$$
holders=

cleanup() {
    trap '' EXIT INT TERM HUP PIPE
    if [ -n "$engine" ]; then
        containers=$(docker ps -aq --filter "label=$label" 2>/dev/null || true)
        [ -z "$containers" ] || docker rm -f $containers >/dev/null 2>&1 || true
        docker rmi "$image" >/dev/null 2>&1 || true
    fi
    for pid in $holders; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
engine=
trap cleanup EXIT
trap 'cleanup; exit 130' INT
trap 'cleanup; exit 143' TERM
trap 'cleanup; exit 129' HUP
trap 'cleanup; exit 141' PIPE

# What a container needs of the driver: its libraries and its socket.
chmod 755 "$work"
mkdir "$work/lib" "$work/socket"
cp "$build/libSimulatedNVML.so" "$work/lib/libnvidia-ml.so.1"
cp "$build/libSimulatedCUDA.so" "$work/lib/libcuda.so.1"
"$build/gpusimd" Simulator/hosts/two-cards.json "$work/socket/socket" >"$work/gpusimd.log" 2>&1 &
holders="$holders $!"
export GPUSIM_SOCKET="$work/socket/socket"
export PLIMSOLL_NVML_LIBRARY="$work/lib/libnvidia-ml.so.1"
until grep -q ready "$work/gpusimd.log"; do
    kill -0 $! 2>/dev/null || { cat "$work/gpusimd.log" >&2; exit 1; }
    sleep 0.1
done

# An engine of this machine; Docker Desktop's runs in a virtual machine of its own, where gpusimd's socket is not.
system=$(docker info --format '{{.OperatingSystem}}' 2>/dev/null || true)
case "$system" in
    "") echo "No Docker engine answers here, so plain processes take the place of containers." ;;
    *"Docker Desktop"*) echo "Docker Desktop keeps its containers in a virtual machine, so plain processes take their place." ;;
    *)
        if sh Simulator/make-image.sh "$image" "$build/gpusim-hold" 2>"$work/image.log"; then
            engine=yes
        else
            echo "The Docker engine does not import an image ($(tail -n 1 "$work/image.log")): plain processes take the place of containers."
        fi
        ;;
esac

# hold NAME WHAT…: a container, or a process, that holds this much.
hold() {
    name=$1
    shift
    if [ -n "$engine" ]; then
        docker run -d --name "plimsoll-demo-$name" --label "$label" --network none --security-opt label=disable \
            -v "$work/lib:/usr/lib/gpusim:ro" -v "$work/socket:/run/gpusim" -e LD_LIBRARY_PATH=/usr/lib/gpusim \
            "$image" /bin/gpusim-hold "$@" >/dev/null
    else
        ln -sf "$build/gpusim-hold" "$work/$name"
        LD_LIBRARY_PATH="$work/lib" "$work/$name" "$@" >/dev/null 2>&1 &
        holders="$holders $!"
    fi
}
hold ollama --breathe 3 0:4GiB 0:6GiB
hold comfyui 0:5GiB
hold whisper 1:3GiB
hold frigate --children 2 1:300MiB
hold notebook --breathe 7 0:500MiB 1:1500MiB
sleep 1

echo
echo '$ plimsoll'
"$build/plimsoll" ledger
echo
echo '$ plimsoll stats'
if [ -t 1 ]; then
    sleep 5
    code=0
    timeout --foreground -s INT "${DEMO_SECONDS:-60}" "$build/plimsoll" stats --all || code=$?
    [ "$code" -eq 124 ] || [ "$code" -eq 130 ] || exit "$code"
else
    "$build/plimsoll" stats --no-stream
fi
echo
echo "That was the program itself; only the GPU was simulated. On a machine with one: make install, then plimsoll."
