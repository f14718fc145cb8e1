#!/bin/sh
# uninstall.sh BINDIR SHAREDIR PLUGINS: removes what install.sh put there, and nothing else. Folders stay, since one that is
# empty now may have been so before: Debian's zsh makes such a one.
set -eu
bin=$1 share=$2 plugins=$3
for file in "$plugins/docker-gpu" "$bin/plimsoll" "$share/man/man1/plimsoll.1" "$share/man/man1/docker-gpu.1" \
    "$share/bash-completion/completions/plimsoll" "$share/zsh/site-functions/_plimsoll" \
    "$share/fish/vendor_completions.d/plimsoll.fish"; do
    [ -e "$file" ] || [ -L "$file" ] || continue
    if ! rm -f "$file" 2>/dev/null; then
        echo "$file belongs to somebody else; type: sudo make uninstall" >&2
        exit 1
    fi
    echo "Removed $file"
done
