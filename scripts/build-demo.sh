#!/bin/sh
# build-demo.sh SWIFT: builds what the demo shows, and no more.
set -eu
echo "Building the program and a simulated GPU (the first time takes a minute or two) ..."
for product in plimsoll gpusimd gpusim-hold SimulatedNVML SimulatedCUDA; do
    "$1" build --disable-local-rpath --quiet --product "$product"
done
