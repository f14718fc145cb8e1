#!/bin/sh
# measure.sh [OPTION…]: `plimsoll measure` of this checkout, or of the plimsoll in PATH. It needs a GPU's driver and nothing else.
set -eu
program=$(dirname "$0")/../.build/release/plimsoll
if [ ! -x "$program" ]; then
    program=$(command -v plimsoll) || {
        echo "measure: plimsoll is not built; type: make build" >&2
        exit 2
    }
fi
exec "$program" measure "$@"
