# Targets never install anything on your system. If something is missing, they print the command to type.

PREFIX  ?= /usr/local
DESTDIR ?=
# swift, or, on a host without Swift, the official image in Docker.
ifeq ($(origin SWIFT),undefined)
SWIFT   := $(shell sh scripts/choose-swift.sh)
endif

BINDIR  := $(DESTDIR)$(PREFIX)/bin
SHARE   := $(DESTDIR)$(PREFIX)/share
# Where the docker client looks for plugins of all users; under a home directory, for those of one.
ifneq ($(HOME),)
ifeq ($(filter $(HOME)/%,$(PREFIX)),$(PREFIX))
PLUGINS := $(DESTDIR)$(HOME)/.docker/cli-plugins
endif
endif
PLUGINS ?= $(DESTDIR)$(PREFIX)/lib/docker/cli-plugins

# Swift's package manager makes programs look for libraries in their own folder first (RUNPATH $ORIGIN), where anybody who can
# write to that folder can put one. A manifest cannot turn that off; every build that is run does.
LINK    := --disable-local-rpath
RELEASE := .build/release/plimsoll
SOURCES := Package.swift $(shell find Sources -type f)

# A program that plain `swift build` linked is newer than the sources, but has the RUNPATH: it is linked again.
ifneq ($(shell grep -qF '$$ORIGIN' "$(RELEASE)" 2>/dev/null && echo yes),)
RELINK := relink
endif

.PHONY: build demo test bench check fuzz try-docs install uninstall dist test-install image man clean relink

build: $(RELEASE)

$(RELEASE): $(SOURCES) Makefile $(RELINK)
	@sh scripts/require-swift.sh "$(SWIFT)"
	$(SWIFT) build $(LINK) -c release --product plimsoll
	@touch $@

# Real containers (or, without Docker, real processes) that hold memory of a simulated GPU.
demo:
	@sh scripts/require-swift.sh "$(SWIFT)"
	@sh scripts/build-demo.sh "$(SWIFT)"
	@sh scripts/demo.sh

# Everything; the end-to-end tests where a Docker engine answers.
test:
	@sh scripts/require-swift.sh "$(SWIFT)"
	$(SWIFT) build $(LINK) --build-tests
	$(SWIFT) test --skip-build

# Plimsoll's times beside those of the least that such a program must do, on 40 containers; a Docker engine must answer.
bench:
	@sh scripts/require-swift.sh "$(SWIFT)"
	@sh scripts/build-bench.sh "$(SWIFT)"
	@.build/release/bench

# What needs no run: format, lint, and the rules that docs/architecture.md gives.
check:
	@sh scripts/require-swift.sh "$(SWIFT)"
	@sh scripts/check.sh "$(SWIFT)"

# Follows docs/adding-a-vendor.md and docs/adding-a-command.md to the letter, in a copy.
try-docs:
	@sh scripts/require-swift.sh "$(SWIFT)"
	@python3 scripts/try-docs.py

# Ten million inputs that are almost right, into every parser: some minutes. FUZZ='--seed 2' and so on.
fuzz:
	@sh scripts/require-swift.sh "$(SWIFT)"
	$(SWIFT) build $(LINK) -c release --product fuzz
	.build/release/fuzz $(FUZZ)

install: build
	@sh scripts/install.sh "$(RELEASE)" "$(BINDIR)" "$(SHARE)" "$(PLUGINS)"

uninstall:
	@sh scripts/uninstall.sh "$(BINDIR)" "$(SHARE)" "$(PLUGINS)"

# A tarball, a Debian package and their checksums, in .build/dist.
dist: build
	@sh scripts/dist.sh "$(RELEASE)" .build/dist

# Installs and removes it all in a fresh Debian.
test-install: dist
	@sh scripts/test-install.sh .build/dist

# The tool's image, from the tarball; Dockerfile says how it is run.
image: dist
	docker build -t plimsoll .

# The manual page, from the program's own help.
man:
	$(SWIFT) build $(LINK) --product plimsoll
	sh scripts/manual.sh docs/man

clean:
	rm -rf .build
