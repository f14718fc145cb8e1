#!/bin/sh
# install.sh PROGRAM BINDIR SHAREDIR PLUGINS: the program, its manual pages, the shells' completions, and the Docker plugin, which
# is a link to the program under the name that Docker looks for.
set -eu
cd "$(dirname "$0")/.."
program=$1 bin=$2 share=$3 plugins=$4
bash=$share/bash-completion/completions zsh=$share/zsh/site-functions fish=$share/fish/vendor_completions.d
man=$share/man/man1
# A library beside a program with a RUNPATH would be loaded in place of the system's. Without binutils only the one that plain
# `swift build` gives is found.
search=
if grep -qF '$ORIGIN' "$program"; then
    search='$ORIGIN'
elif command -v readelf >/dev/null; then
    search=$(readelf -d "$program" 2>/dev/null | grep -E '\((RPATH|RUNPATH)\)' || true)
fi
if [ -n "$search" ]; then
    echo "install: $program looks for libraries in folders of its own ($search); type: make build" >&2
    exit 1
fi
for folder in "$bin" "$man" "$bash" "$zsh" "$fish" "$plugins"; do
    existing=$folder
    while [ ! -e "$existing" ]; do existing=$(dirname "$existing"); done
    if [ ! -w "$existing" ]; then
        echo "The build is done. You cannot write to $folder; type one of these:" >&2
        echo "  sudo make install" >&2
        echo "  make install PREFIX=\"\$HOME/.local\"" >&2
        exit 1
    fi
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for shell in bash zsh fish; do "$program" --generate-completion-script "$shell" >"$work/$shell"; done

install -d "$bin" "$man" "$bash" "$zsh" "$fish" "$plugins"
install -m 755 "$program" "$bin/plimsoll"
strip "$bin/plimsoll" 2>/dev/null || true
install -m 644 docs/man/plimsoll.1 packaging/docker-gpu.1 "$man"
install -m 644 "$work/bash" "$bash/plimsoll"
install -m 644 "$work/zsh" "$zsh/_plimsoll"
install -m 644 "$work/fish" "$fish/plimsoll.fish"
# Relative, so that it stays right where the whole tree is moved, as DESTDIR is for.
ln -sfr "$bin/plimsoll" "$plugins/docker-gpu"
echo "Installed $bin/plimsoll and, as \`docker gpu\`, $plugins/docker-gpu"
