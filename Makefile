# The two commands of a newcomer are `make demo` and `make test`. `make help` lists the rest.
# Only the package step needs root (it uses sudo); PACKAGES=no leaves it out.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PREFIX ?= /usr/local
DESTDIR ?=
PACKAGES ?= yes

release := .build/release
executables := sandpiper sandpiper-supervisor sandpiper-image sandpiper-mounts sandpiper-policy sandpiper-tls
swift_build := swift build -c release --static-swift-stdlib
sources = $(shell find Sources protocol/Sources Package.swift protocol/Package.swift 2>/dev/null)
guest_sources = $(shell find guest/agent/Sources guest/agent/Package.swift guest/initramfs protocol/Sources 2>/dev/null)
packages = $(if $(filter no,$(PACKAGES)),@:,@Scripts/packages.sh $(1))

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

.PHONY: demo
demo: build images-packages ## set up everything, make a Debian image with Python, run code in a microVM
	@Scripts/demo.sh "$(CURDIR)/$(release)" "$$(Tests/Images/make.sh python)"

.PHONY: test
test: build test-packages ## set up everything and run all tests
	@Scripts/test.sh "$(CURDIR)/$(release)" "$$(Tests/Images/make.sh)"

.PHONY: test-kvm
test-kvm: build kvm-packages ## run the main job and frozen programs on the KVM of an emulated machine
	@SANDPIPER_KVM_MINUTES=$${SANDPIPER_KVM_MINUTES:-45} Tests/KVM/run.sh --with $(release)/sandpiper --with $(release)/sandpiper-supervisor --with $(release)/sandpiper-image \
	  --with $(release)/sandpiper-mounts \
	  --with Tests/Workloads:workloads --with $(release)/guest --with "$$(Tests/Images/make.sh python)/python.tar" main-job frozen-job

.PHONY: bench
bench: build bench-packages ## measure what SPECIFICATION.md promises; prints a table, writes .build/bench.json; OPTIONS="--only pull"
	@python3 -B Benchmarks/bench.py --executables "$(release)" --images "$$(Tests/Images/make.sh python busybox network)" \
	  --json .build/bench.json $(OPTIONS)

.PHONY: lint
lint: ## check the format of all Swift sources
	@find . -name '.build*' -prune -o -name '*.swift' -print0 | xargs -0 swift format lint --strict

.PHONY: build
build: build-packages $(release)/.built $(release)/guest/initramfs.cpio ## build the release executables and the guest
	@kernel=$$(guest/kernel/build.sh); ln -sfn "$$kernel" $(release)/guest/vmlinux

$(release)/.built: $(sources)
	@for product in $(executables); do $(swift_build) --product "$$product"; done
	@touch $@

$(release)/guest/initramfs.cpio: $(guest_sources) | $(release)/.built
	@mkdir -p $(@D)
	@guest/initramfs/build.sh "$(CURDIR)/$@"
	@touch $@

.PHONY: kernel
kernel: build-packages ## build the guest kernel (once; kept in ~/.cache/sandpiper/kernel) and print its path
	@guest/kernel/build.sh

.PHONY: install
install: ## install what `make build` built below PREFIX (default /usr/local); DESTDIR is honoured
	@test -e $(release)/guest/vmlinux || { echo "nothing is built yet: run 'make build' first (without sudo)" >&2; exit 1; }
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin libexec/sandpiper/guest share/doc/sandpiper)
	install -s -m 755 $(addprefix $(release)/,$(executables)) $(DESTDIR)$(PREFIX)/libexec/sandpiper/
	install -m 644 $(release)/guest/vmlinux $(release)/guest/initramfs.cpio $(DESTDIR)$(PREFIX)/libexec/sandpiper/guest/
	ln -sfn ../libexec/sandpiper/sandpiper $(DESTDIR)$(PREFIX)/bin/sandpiper
	install -m 644 LICENSE README.md CHANGELOG.md SPECIFICATION.md docs/architecture.md docs/threat-model.md docs/network-policy.md \
	  docs/networks.md docs/tls-interception.md \
	  $(DESTDIR)$(PREFIX)/share/doc/sandpiper/

.PHONY: uninstall
uninstall: ## remove what `make install` installed
	rm -f $(DESTDIR)$(PREFIX)/bin/sandpiper
	rm -rf $(DESTDIR)$(PREFIX)/libexec/sandpiper $(DESTDIR)$(PREFIX)/share/doc/sandpiper

.PHONY: fuzz
fuzz: SECONDS = 60
fuzz: build-packages ## fuzz every parser of foreign bytes, each for SECONDS=60; FUZZERS="FuzzTar …" names some
	@Scripts/fuzz.sh $(SECONDS) $(FUZZERS)

.PHONY: packages
packages: build-packages test-packages kvm-packages ## install the Debian packages for building and testing

.PHONY: build-packages images-packages test-packages kvm-packages bench-packages
build-packages images-packages test-packages kvm-packages bench-packages:
	$(call packages,$(@:-packages=))

.PHONY: clean
clean: ## remove what was built here
	rm -rf .build .build-* protocol/.build guest/agent/.build

.PHONY: clean-cache
clean-cache: ## remove the kernel, the test images and the test machine kept in ~/.cache/sandpiper
	rm -rf "$${SANDPIPER_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/sandpiper}"
