# SPDX-License-Identifier: GPL-2.0-only

# Lists that one make takes from another are lists alone, also with make -C.
MAKEFLAGS += --no-print-directory

KERNELRELEASE ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KERNELRELEASE)/build

# What chooses the API that the probes look at, where it was given to make. The
# build proper gets it, and all else that was given, by way of MAKEFLAGS.
API := $(foreach v,ARCH CROSS_COMPILE CC LLVM,$(if $(filter command%,$(origin $(v))),'$(v)=$($(v))'))

# A kernel built by clang wants its modules built by it, too; Debian's packages may
# have it under a name with its version only.
ifeq ($(origin LLVM) $(origin CC),undefined default)
CLANG := $(shell v=$$(sed -n 's/^.define CONFIG_CLANG_VERSION \([1-9][0-9]*\)[0-9]\{4\}$$/\1/p' \
		'$(KDIR)/include/generated/autoconf.h' 2>/dev/null); \
	[ -z "$$v" ] || if command -v clang >/dev/null; then echo LLVM=1; else echo "LLVM=-$$v"; fi)
API += $(CLANG)
endif

# Type information is for tracers; a kernel that wants it of its modules, too,
# gets it where the tool for it is at hand.
BTF := $(if $(shell command -v pahole),,CONFIG_DEBUG_INFO_BTF_MODULES=)

.PHONY: modules
modules:
	@sh compat/mkfacts.sh '$(KDIR)' $(API)
	@$(MAKE) --no-print-directory -C '$(KDIR)' M='$(CURDIR)' $(BTF) $(CLANG) modules || { \
		echo "adit: the build for kernel $$(sed -n 's/^ \* kernel: //p' compat/facts.h) failed, although all probes fit; please report this line and the first error above (see README.md, \"Help\")" >&2; \
		exit 1; }

.PHONY: clean
clean:
	@rm -f wireguard.ko wireguard.mod wireguard.mod.c *.o .*.cmd \
		Module.symvers modules.order src/*.o src/.*.cmd compat/facts.h

.PHONY: help prepare demo check check-all check-install check-matrix bench bench-quick mutants coverage install uninstall
help:
	@echo "make demo       two sites behind NAT joined through a hub, shown in a guest"
	@echo "make check      unit tests, and most scenarios on Debian's kernel in a guest"
	@echo "make check-all  the same and more: netlink, timers, debug kernels, Linux 7.3, clients, interop"
	@echo "make check-install  the Debian packages and make install on Debian 11, 12 and 13, a reboot, adit-switch"
	@echo "make check-matrix  each kernel from Debian 5.10 to Linux 7.3, also arm64, armhf and armel"
	@echo "make bench      what a packet and a peer cost, by counting and by the clock, beside the kernel's own driver"
	@echo "make bench-quick  a part of it, in three minutes"
	@echo "make mutants    known bugs put back one by one, which the tests must find"
	@echo "make coverage   which lines of src/ the tests run"
	@echo "make prepare    download and build the test kernels, so that they are there"
	@echo "make modules    wireguard.ko for a kernel: KDIR=<its build directory>"
	@echo "sudo make install    install with DKMS on this machine"
	@echo "sudo make uninstall  and remove it again"
	@echo "make clean      remove what was built here (the cache stays)"
	@echo
	@echo "Packages that are missing are named and, after a question, installed;"
	@echo "YES=1 asks nothing. Guests need neither root nor KVM."

prepare:
	@tests/vm/prepare

demo:
	@tests/demo

check:
	@tests/check unit fast

check-all:
	@tests/check --beside 'uapi aead timers faults uapi-7.3 parity-6.1 debug-6.1 debug-6.1-more kcsan-6.1' \
		--beside 'debug-6.1-virtual debug-6.1-rest' \
		unit build debian-6.1 peer demo uml-7.3 parity extended clients in-kernel go \
		peer-7.3 peer-limit

bench:
	@tests/bench/run

bench-quick:
	@tests/bench/run --quick

check-install:
	@tests/check package package-bullseye package-trixie \
		hosts hosts-bullseye hosts-trixie \
		installed installed-bullseye installed-trixie switch

check-matrix:
	@tests/check kernels

# M="name..." for some of them
mutants:
	@tests/mutants/run $(M)

coverage:
	@tests/coverage

install:
	@tools/install

uninstall:
	@tools/install --remove
