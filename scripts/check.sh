#!/bin/sh
# check.sh SWIFT: format and lint, then rules that a formatter does not know.
set -eu
cd "$(dirname "$0")/.."
failed=0
fail() {
    echo "check: $1" >&2
    failed=1
}

"$1" format lint --strict --recursive Package.swift Sources Simulator Benchmarks Fuzz Tests || fail "formatting: run '$1 format -i -r Package.swift Sources Simulator Benchmarks Fuzz Tests'"

# Where something is in the kernel's file systems is known in one place. Options' defaults and help, and what a message says
# of a place, are not that.
paths=$(grep -rnE '"[^"]*/(proc|sys|dev)/[^"]*"' Sources --include='*.swift' | grep -vE '^Sources/HostFS/|^[^:]*:[0-9]+: *///' || true)
[ -z "$paths" ] || fail "paths of /proc, /sys or /dev outside Sources/HostFS:
$paths"

# Formatting is done in one place.
# Examples in help texts are typed amounts, and are not formatted.
formats=$(grep -rnE 'String\(format:|snprintf|GiB"|%\.[0-9]' Sources --include='*.swift' |
    grep -vE '^Sources/Rendering/|\.init\(|"plimsoll check |for gibibytes, write' || true)
[ -z "$formats" ] || fail "formatting of amounts outside Sources/Rendering:
$formats"

# No source starts another program: only this one, again, as a child that a vendor's library is kept in. And `run` starts what
# it was given, and `measure` the tools that it compares with (Probe/Measure/Tool.swift), over the same HelperProcess.
started=$(grep -rnE 'posix_spawn|\bfork\(\)|popen\(|system\(|Process\(\)' Sources --include='*.swift' |
    grep -vE '^Sources/(Sampling/Child/HelperProcess|Probe/Command)\.swift:' || true)
[ -z "$started" ] || fail "a source that starts a program:
$started"

# The C programs of `make bench` read the same header as the product, and nothing else builds them.
clang=$(dirname "$(command -v "$1" || echo .)")/clang
[ -x "$clang" ] || clang=clang
if command -v "$clang" >/dev/null; then
    for program in Benchmarks/*/main.c; do
        "$clang" -std=gnu11 -fsyntax-only -Wall -Wextra -Werror -I Sources/CNVML/include "$program" || fail "$program does not build"
    done
fi

# A program that people run takes no library from its own folder; the Makefile says why.
searching=$(grep -nE '(SWIFT\)|"\$1"|swift) build ' Makefile .ci/run scripts/*.sh | grep -vE -- '--disable-local-rpath|\$\(LINK\)' || true)
[ -z "$searching" ] || fail "a build with a RUNPATH:
$searching"

# Decisions are made of values: no code reads what was worded for people.
read=$(grep -rnE '\b(reason|why[A-Za-z]*|errors?|sentence|message|description|brief|trouble)\b[?!)]*(\.(text|description|sentence))?[?!]?(\.(hasPrefix|hasSuffix|contains|starts|split|firstRange)\(| == ")' \
    Sources --include='*.swift' | grep -vE '^[^:]*:[0-9]+: *//' || true)
[ -z "$read" ] || fail "code that reads a sentence:
$read"

# Plain words: phrases that a reader has to read twice. Only comments and strings are read.
words=$(sed -e 's/^#.*//' -e '/^$/d' scripts/words.txt | while IFS='	' read -r phrase instead; do
    grep -rnEi --include='*.swift' "(//|\").*($phrase)" Sources | sed "s|\$|  [$instead]|" || true
done)
[ -z "$words" ] || fail "phrases of scripts/words.txt:
$words"

# These names meant six things at once.
names=$(grep -rnwE '(let|var|func|case) place|(struct|class|enum) Book' Sources Simulator --include='*.swift' || true)
[ -z "$names" ] || fail "names that say too little:
$names"

left=$(grep -rnE 'TODO|FIXME|XXX|fatalError\(|try!' Sources Simulator Benchmarks Fuzz Tests --include='*.swift' --include='*.c' --include='*.h' || true)
[ -z "$left" ] || fail "left in the code:
$left"

for script in scripts/*.sh Simulator/*.sh Simulator/runtime/* examples/*/*.sh; do sh -n "$script" || fail "$script"; done

# A file aims at 250 lines and is looked at again at 400.
long=$(find Sources Simulator Benchmarks Fuzz -name '*.swift' -o -name '*.c' | xargs wc -l | awk '$2 != "total" && $1 > 400 { print $2 ": " $1 }')
[ -z "$long" ] || fail "files over 400 lines:
$long"

[ "$failed" -eq 0 ] && echo "check: all is well"
exit "$failed"
