#!/bin/sh
# uninstall.sh BINDIR MANDIR PLUGINS: removes what install.sh put there, and nothing else.
set -eu
for file in "$1/plimsoll" "$2/plimsoll.1" "$3/docker-gpu"; do
    [ -e "$file" ] || continue
    if ! rm -f "$file" 2>/dev/null; then
        echo "$file belongs to somebody else; type: sudo make uninstall" >&2
        exit 1
    fi
    echo "Removed $file"
done
