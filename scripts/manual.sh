#!/bin/sh
# manual.sh FOLDER: writes plimsoll.1 there, from the help texts of the built program.
set -eu
cd "$(dirname "$0")/.."
env -u PLIMSOLL_PROCFS -u PLIMSOLL_SYSFS .build/debug/generate-manual .build/debug/plimsoll \
    --date 2026-11-22 --authors "The Plimsoll authors" --output-directory - |
    # mdoc(7) has a macro for a paragraph, and warns of an empty line.
    sed 's/^$/.Pp/' >"$1/plimsoll.1"
