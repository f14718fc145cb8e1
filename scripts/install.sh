#!/bin/sh
# install.sh PROGRAM BINDIR MANDIR PLUGINS: the program, its manual page, and the Docker plugin, which is the same program
# under the name that Docker looks for.
set -eu
program=$1 bin=$2 man=$3 plugins=$4
for folder in "$bin" "$man" "$plugins"; do
    existing=$folder
    while [ ! -e "$existing" ]; do existing=$(dirname "$existing"); done
    if [ ! -w "$existing" ]; then
        echo "It is built. $folder belongs to somebody else, so type one of these:" >&2
        echo "  sudo make install" >&2
        echo "  make install PREFIX=\"\$HOME/.local\"" >&2
        exit 1
    fi
done
install -d "$bin" "$man" "$plugins"
install -m 755 "$program" "$bin/plimsoll"
strip "$bin/plimsoll" 2>/dev/null || true
install -m 644 docs/man/plimsoll.1 "$man/plimsoll.1"
install -m 755 "$bin/plimsoll" "$plugins/docker-gpu"
echo "Installed $bin/plimsoll and, as \`docker gpu\`, $plugins/docker-gpu"
