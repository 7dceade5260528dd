# SPDX-License-Identifier: GPL-2.0-only

KERNELRELEASE ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KERNELRELEASE)/build

# Handed on to the kernel's build, where they are given.
given = $(foreach v,$(1),$(if $(filter command% environment%,$(origin $(v))),$(if $($(v)),$(v)="$($(v))")))
# These choose the kernel's API, the others how the build goes about it.
KARGS := $(call given,ARCH CROSS_COMPILE CC LLVM)
HOW := $(call given,W C CF V)

.PHONY: modules
modules:
	@compat/mkfacts.sh "$(KDIR)" $(KARGS)
	@$(MAKE) --no-print-directory -C "$(KDIR)" M="$(CURDIR)" $(KARGS) $(HOW) modules

.PHONY: clean
clean:
	@rm -f wireguard.ko wireguard.mod wireguard.mod.c *.o .*.cmd \
		Module.symvers modules.order src/*.o src/.*.cmd compat/facts.h
