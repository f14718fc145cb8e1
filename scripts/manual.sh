#!/bin/sh
# manual.sh FOLDER: writes plimsoll.1 there, from the help texts of the built program.
set -eu
cd "$(dirname "$0")/.."
python3 scripts/manual.py .build/debug/plimsoll >"$1/plimsoll.1"
