# SPDX-License-Identifier: GPL-2.0
#
#   make                  build ct_sync.ko for the distribution's kernel, in a build root made for it
#   make KVER=7.3         the same for another kernel of the build root (any prefix of its version)
#   make KDIR=/path       build with this machine's tools for the kernel of /path: its tree, or its headers (/lib/modules/VERSION/build)
#   make check            all tests; TEST=name for some, KVER= as above
#   make check-long       the tests that take minutes each
#   make check-debug      the tests of check that run in machines, with a kernel that watches memory, locks and RCU; TEST=, KVER=
#   make bench            what a connection costs with ct_sync, with conntrackd and without: Documentation/performance.rst
#   make kselftests       the kernel's own netfilter selftests with ct_sync and without; TEST=name for some, KVER= as above
#   make sim              simulate clusters of the protocol core: SEEDS=n, SEED=s, NODES=n
#   make fuzz             give nodes damaged frames: SECONDS=n, FROM=run, RUN=run
#   make miri             the host tests of the protocol and the queue under Miri, where rustup has one
#   make sanitize         the host tests under the address sanitizer
#   make mutants          break one rule of the protocol at a time; the host tests have to notice; TEST=name for some
#   make mutants-vm       break one thing of the module at a time; its test in a machine has to notice; TEST=name for some
#   make lint             clippy, rustfmt, layers, SAFETY comments, checkpatch, shellcheck
#   make tool             build ctsync, the program that shows and steers the module: build/ctsync, with man pages and completions
#   make demo             a download survives the power-off of the firewall it passes through; TIMES=10 for many power-offs
#   make install          modules_install and depmod, for the kernel of KDIR; INSTALL_MOD_PATH=/path for another root
#   make deb              Debian packages of the module, the tool and the documentation, in build/deb: KVER=, SIGN_KEY=, SIGN_CERT=
#   make repo             an apt repository of them, in build/repo: REPO_KEY=
#   make clean            remove what was built here; `make clean-cache` removes the caches too

all: module

# The kernel's flags for the compilers and for the names of the tools; CLIPPY=1 lints instead of compiling.
KFLAGS = $(if $(CC:cc=),CC=$(CC)) $(if $(CLIPPY),CLIPPY=1) $(if $(V),V=$(V))

ifdef KDIR
OUT = $(CURDIR)/build/kdir
# make in the tree that has the Rust metadata: KDIR's own, or one that is found or made for it.
IN_TREE = tree=$$(packaging/dkms/tree '$(KDIR)') && scripts/preflight "$$tree" '$(CC:cc=)' $(or $(RUSTC),rustc) && \
	$(MAKE) -C "$$tree" $(KFLAGS) M=$(CURDIR) MO=$(OUT)
module:
	@mkdir -p $(OUT)
	@+$(IN_TREE) modules
	@cp $(OUT)/ct_sync.ko ct_sync.ko

install: module
	@+$(IN_TREE) modules_install
	depmod $(if $(INSTALL_MOD_PATH),-b $(INSTALL_MOD_PATH)) $$(cat $(KDIR)/include/config/kernel.release)
else
module:
	@scripts/build $(KVER)

install:
	@echo 'make install: give KDIR=/lib/modules/$$(uname -r)/build or another tree of the kernel to install for' >&2; exit 1
endif

modules_install: install

check:
	@scripts/check $(if $(KVER),--kver $(KVER)) $(TEST)

check-long:
	@scripts/check $(if $(KVER),--kver $(KVER)) --long $(TEST)

check-debug:
	@scripts/check --kver $(KVER)debug $(TEST)

kselftests:
	@scripts/kselftests $(if $(KVER),--kver $(KVER)) $(TEST)

bench:
	@scripts/bench $(if $(KVER),--kver $(KVER))

lint:
	@scripts/lint

sim:
	@SEEDS=$(SEEDS) SEED=$(SEED) NODES=$(NODES) scripts/sim

fuzz:
	@FROM=$(FROM) RUN=$(RUN) scripts/fuzz $(SECONDS)

mutants:
	@scripts/mutants $(TEST)

mutants-vm:
	@scripts/mutants --vm $(TEST)

miri:
	@scripts/miri

sanitize:
	@scripts/sanitize

tool:
	@scripts/tool

demo:
	@scripts/demo/run $(if $(KVER),--kver $(KVER)) $(if $(TIMES),--times $(TIMES))

deb:
	@SIGN_KEY='$(SIGN_KEY)' SIGN_CERT='$(SIGN_CERT)' REVISION='$(REVISION)' scripts/deb $(KVER)

repo:
	@REPO_KEY='$(REPO_KEY)' scripts/repo

clean:
	rm -rf build ct_sync.ko

clean-cache: clean
	scripts/clean-cache

.PHONY: all module tool install modules_install check check-long check-debug bench kselftests lint sim fuzz mutants mutants-vm miri sanitize demo deb repo clean clean-cache
