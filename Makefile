# The two commands a user needs are `make run` and `make test`; `make help` lists the rest.

SHELL := /bin/bash
.DEFAULT_GOAL := help
DISK ?= dbkernel.disk
DISK_SIZE ?= 16G
LISTEN ?= 127.0.0.1:5432
MEMORY ?= 1G
SEEDS ?= 1..1000000
SECONDS ?= 3600
# What `make test` runs in Ring 0 on four cores, which QEMU emulates on two: the modules that rest on the platform.
METAL_CASES := fibers:,platform:,asyncio:,epoch:,queue:,directstorage:,bufferpool:
KERNEL := .build-metal/dbkernel-kernel
ISO ?= dbkernel.iso
APPEND ?= auth=trust
RELEASE := .build/release/dbkernel-sim
SUITE := .build-metal/dbkernel-selftest
METAL := .build-metal/x86_64-unknown-none-elf/release
METAL_FLAGS := -c release -debug-info-format none --triple x86_64-unknown-none-elf --toolset boot/toolset.json --scratch-path .build-metal

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

deps: ## install what building and running needs
	@scripts/install build

deps-test: ## install what the tests need besides
	@scripts/install build test

deps-metal: ## install QEMU and GRUB
	@scripts/install build metal iso

deps-bench: ## install the peers that the benchmarks compare with
	@scripts/install build test bench

build: deps ## release build of dbkernel-sim
	swift build -c release --product dbkernel-sim

run: build ## serve on $(LISTEN) with the disk file $(DISK)
	$(RELEASE) serve --disk $(DISK) --disk-size $(DISK_SIZE) --listen $(LISTEN) --memory $(MEMORY)

# The Ring-0 images take one core for minutes each, so they are made beside what runs on Linux.
test: deps-test deps-metal lint ## everything: lint, unit and shared suites on Linux and in Ring 0, system tests
	swift package resolve
	$(MAKE) -j2 --output-sync=line test-linux images
	scripts/mutants --limit 90
	$(MAKE) -j2 --output-sync=line test-simulation test-metal
	SMP=4 BUS=virtio scripts/metal-selftest $(SUITE) $(METAL_CASES)
	SMP=4 scripts/metal-selftest $(SUITE) platform:,asyncio:
	scripts/system-tests $(RELEASE) --ignore=Tests/SystemTests/test_simulation.py

# Beside each other: either keeps one core busy for minutes.
test-simulation:
	scripts/system-tests $(RELEASE) -s -k test_simulation

test-metal:
	SMP=1 scripts/metal-selftest $(SUITE)

test-linux:
	swift build --build-tests
	swift test --skip-build --no-parallel
	swift build -c release --product dbkernel-sim
	$(RELEASE) selftest

# One after the other: they share the scratch path.
images:
	$(MAKE) kernel
	$(MAKE) kernel-suite

kernel: deps ## the Ring-0 image
	DBKERNEL_METAL=1 swift build $(METAL_FLAGS) --product dbkernel-kernel
	scripts/kernel-image $(METAL)/dbkernel-kernel $(KERNEL)

kernel-suite: deps ## the Ring-0 image of the shared suite
	DBKERNEL_METAL=1 swift build $(METAL_FLAGS) --product dbkernel-selftest
	scripts/kernel-image $(METAL)/dbkernel-selftest $(SUITE)

boot: deps-metal kernel ## boot it in QEMU: DISK=, SMP=, MEM=, NET=user|tap, APPEND= vary it
	scripts/boot $(KERNEL)

metal-suite: deps-metal kernel-suite ## the whole shared suite in Ring 0: one core and four, NVMe and virtio
	for bus in nvme virtio; do for cores in 1 4; do SMP=$$cores BUS=$$bus SECONDS_LIMIT=7200 scripts/metal-selftest $(SUITE) || exit 1; done; done

iso: deps deps-metal kernel ## an image for optical drives and USB sticks that boots from BIOS and UEFI: APPEND= is its command line
	scripts/iso $(KERNEL) $(ISO) "$(APPEND)"

kernel-check: deps ## compile the whole engine as Embedded Swift for Ring 0
	DBKERNEL_METAL=1 swift build $(METAL_FLAGS) --target EngineCore

simulate: build ## the engine in a simulated machine with faults, by seed; SEEDS=A..B SECONDS=N
	$(RELEASE) simulate --seeds $(SEEDS) --seconds $(SECONDS)

fuzz: SECONDS = 60
fuzz: deps ## inputs that coverage guides, for so many SECONDS=N each; TARGET=sql|wire|packets|log|pages|superblocks, or all in turn
	scripts/fuzz "$(or $(TARGET),all)" $(SECONDS)

mutants: deps ## deliberate bugs, one after the other: does the simulation catch each? NAMES= chooses
	scripts/mutants $(NAMES)

bench: deps-bench build ## compare with PostgreSQL, LMDB, RocksDB and SQLite; writes docs/benchmarks.md's tables
	scripts/bench $(RELEASE)

bench-boot: deps-metal kernel ## how fast the Ring-0 image starts, and what it costs when idle
	scripts/bench-boot $(KERNEL)

bench-guest: deps-metal images ## the Ring-0 image beside PostgreSQL 15 and fio in a Linux guest on the same machine; as root
	scripts/install guest
	[ -e .build-guest/disk ] || scripts/linux-guest make
	scripts/bench-guest $(KERNEL) $(SUITE)

bench-network: build ## TCP against Linux's on one wire; as root
	scripts/bench-network $(RELEASE)

lint: ## swift format, strict
	swift format lint --strict --parallel --recursive Package.swift Sources Tests

clean: ## remove build products
	rm -rf .build .build-metal .build-mutants .build-fuzz .build-guest

.PHONY: help iso test-simulation test-metal test-linux images deps deps-metal deps-test deps-bench kernel kernel-suite metal-suite boot build run test kernel-check simulate fuzz mutants bench bench-boot bench-guest bench-network lint clean
