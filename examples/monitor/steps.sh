#!/bin/sh
# A program that takes more and more of a GPU, and gives it back. Here it is plimsoll itself, so that no CUDA is needed.
set -eu
for size in 1GiB 2GiB 4GiB; do
    told=$(plimsoll alloc "$size" --device 0 --hold 1s 2>&1) || { echo "$told" >&2; exit 1; }
    echo "$size was here"
done
