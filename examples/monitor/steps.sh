#!/bin/sh
# A program that takes more and more of the GPU, and gives it back. Here it is plimsoll itself, so that no CUDA is needed.
set -eu
for size in 1GiB 2GiB 4GiB; do
    plimsoll alloc "$size" --hold 1s >/dev/null 2>&1
    echo "$size was here"
done
