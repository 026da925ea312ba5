# What a newcomer runs is what CI runs. Products: build/bin/xensock, build/bin/xensockd, build/lib/libxensock.so.

PREFIX ?= /usr/local
DESTDIR ?=
SYSTEMD_UNITS ?= $(PREFIX)/lib/systemd/system
SWIFT ?= swift
# More for `swift build`, such as `-j 2`.
SWIFT_FLAGS ?=
# For xen-test: those of Tests/Xen/scenarios to run; all if empty.
SCENARIOS ?=

.PHONY: help build demo test xen-test compat bench format lint install uninstall clean clean-room

help:
	@echo 'make build       the programs in build/bin, the library in build/lib'
	@echo 'make demo        builds, and shows unmodified programs that use the network without having one'
	@echo 'make test        all tests: unit, models, symbol table, integration, hard cases, stress, format'
	@echo 'make xen-test    tests on a real Xen, which runs with dom0 and guests in emulation; SCENARIOS=… for some of them'
	@echo 'make compat      compares programs natively and under XenSock: CPython'"'"'s own tests, real programs; writes docs/COMPATIBILITY.md'
	@echo 'make bench       compares XenSock with the native loopback: ratios, in about two minutes'
	@echo 'make format      formats the Swift sources; make lint checks them'
	@echo 'make install     to PREFIX ($(PREFIX)), under DESTDIR; make uninstall removes it'
	@echo 'make clean-room  builds and tests in a fresh Debian 12 (as root, with debootstrap)'
	@echo 'make clean       removes what was built'

# The programs carry Swift's runtime, so that they run where no Swift is installed. The library needs libc only.
build:
	scripts/ensure-packages build
	$(SWIFT) build $(SWIFT_FLAGS) -c release --static-swift-stdlib --product xensock
	$(SWIFT) build $(SWIFT_FLAGS) -c release --static-swift-stdlib --product xensockd
	XENSOCK_EMBEDDED=1 $(SWIFT) build $(SWIFT_FLAGS) -c release --scratch-path .build-embedded --product xensock
	mkdir -p build/bin build/lib
	install -m 755 -s .build/release/xensock .build/release/xensockd build/bin/
	install -m 644 -s .build-embedded/release/libxensock.so build/lib/

demo: build
	scripts/ensure-packages demo
	scripts/demo

test: build
	scripts/ensure-packages test
	scripts/test

xen-test: build
	scripts/ensure-packages xen-test
	$(SWIFT) build $(SWIFT_FLAGS) -c release --static-swift-stdlib --product xen-probe
	Tests/Xen/run $(SCENARIOS)

compat: build
	scripts/ensure-packages compat
	Tests/Compat/run

bench: build
	scripts/ensure-packages bench
	bench/run

format:
	$(SWIFT) format -i -r Sources Tests Package.swift

lint:
	$(SWIFT) format lint --strict -r Sources Tests Package.swift

# Installs what `make build` made: it does not build, so that it can run as root.
install:
	@test -e build/lib/libxensock.so || { echo 'nothing to install: run make build first' >&2; exit 1; }
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(SYSTEMD_UNITS)
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 755 build/bin/xensock build/bin/xensockd $(DESTDIR)$(PREFIX)/bin/
	install -m 644 build/lib/libxensock.so $(DESTDIR)$(PREFIX)/lib/
	install -m 644 docs/man/xensock.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 docs/man/xensockd.8 docs/man/xensock-agent.8 $(DESTDIR)$(PREFIX)/share/man/man8/
	sed 's,/usr/local,$(PREFIX),g' examples/systemd/xensockd.service >$(DESTDIR)$(SYSTEMD_UNITS)/xensockd.service
	chmod 644 $(DESTDIR)$(SYSTEMD_UNITS)/xensockd.service

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/xensock $(DESTDIR)$(PREFIX)/bin/xensockd $(DESTDIR)$(PREFIX)/lib/libxensock.so
	rm -f $(DESTDIR)$(PREFIX)/share/man/man1/xensock.1 $(DESTDIR)$(PREFIX)/share/man/man8/xensockd.8
	rm -f $(DESTDIR)$(PREFIX)/share/man/man8/xensock-agent.8
	rm -f $(DESTDIR)$(SYSTEMD_UNITS)/xensockd.service

clean-room:
	scripts/ensure-packages clean-room
	Tests/Integration/clean-room

clean:
	rm -rf build .build .build-embedded .build-xen
