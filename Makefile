# Tincan: build, run, test, measure. `make help` lists the targets.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT   ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

# Static, with the C codecs where they can be linked: pure-Go name and user
# lookup, no machine paths in the binary, version and commit stamped into package
# main. TAGS=g729 makes G.729 too.
TAGS ?=
BUILD_FLAGS := -trimpath -tags netgo,osusergo,$(TAGS) \
	-ldflags "-s -w -extldflags=-static -X main.version=$(VERSION) -X main.commit=$(COMMIT)"

# The recipes that compile ask scripts/cgo what can be linked, once the packages
# are there. CGO_ENABLED=0 on the command line builds without.
CGO = settings=$$(scripts/cgo $(1)); eval "$$settings";

# Platforms of `make cross`; `make test` leaves out armv7, which armv6 stands for.
CROSS ?= arm64 armv7 armv6

# The checkers are built from tools/go.mod into bin/tools.
TOOLS := bin/tools

# Longest a whole `go test` may take before it is broken rather than slow.
TEST_TIMEOUT ?= 45m
# Arguments of `make bench`, such as BENCH="-only call,relay -runs 1".
BENCH ?=

.DEFAULT_GOAL := help
.PHONY: help run build cross test unit check format bench clean always

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Install what is missing, build, and serve from ./data
	@scripts/deps run build
	@scripts/deps codecs || echo "deps: going on without" >&2
	@$(MAKE) --no-print-directory build
	@exec bin/tincan serve

build: ## Build bin/tincan (static)
	@mkdir -p bin
	$(call CGO) $(GO) build $(BUILD_FLAGS) -o bin/tincan ./cmd/tincan

cross: $(addprefix bin/tincan-linux-,$(CROSS)) ## Build for a Raspberry Pi: arm64, armv7 and armv6

bin/tincan-linux-arm64: platform = GOARCH=arm64
bin/tincan-linux-armv7: platform = GOARCH=arm GOARM=7
bin/tincan-linux-armv6: platform = GOARCH=arm GOARM=6
bin/tincan-linux-arm64 bin/tincan-linux-armv7 bin/tincan-linux-armv6: always # go build knows what is new
	@mkdir -p bin
	$(call CGO,$(@:bin/tincan-linux-%=%)) $(platform) $(GO) build $(BUILD_FLAGS) -o $@ ./cmd/tincan

test: ## Everything: checks, unit tests, tests with real phones
	@scripts/deps build codecs cross test
	@$(MAKE) --no-print-directory check build
	@$(MAKE) --no-print-directory cross CROSS="arm64 armv6"
	TINCAN_REQUIRE_PEERS=1 scripts/unit -timeout $(TEST_TIMEOUT)
	CGO_ENABLED=1 $(GO) test -tags g729,spandsp ./phone/codec/... # what is built by request alone
	TINCAN_REQUIRE_PEERS=1 $(GO) test ./phone/media/dtmf # an hour of speech, too slow with -race
	CGO_ENABLED=0 $(GO) test ./phone/codec/... # what is there without libraries
	CGO_ENABLED=1 TINCAN_REQUIRE_PEERS=1 $(GO) test -race -count=1 -p 1 -timeout $(TEST_TIMEOUT) ./e2e/... # sound needs the machine for itself

unit: ## Tests without phones, for the loop of writing code
	scripts/unit -short

check: $(TOOLS)/.installed ## Format, vet, staticcheck, errcheck, imports, go.mod
	@$(call CGO) scripts/check $(TOOLS)

format: $(TOOLS)/.installed ## Rewrite the sources with gofumpt
	$(TOOLS)/gofumpt -w .

bench: ## Measure against bare peers (BENCH="-only call -runs 1")
	@scripts/deps build codecs bench
	@$(MAKE) --no-print-directory build
	$(GO) run ./bench $(BENCH)
	$(call CGO) $(GO) test -run "^$$" -bench "20ms|TranscodePairs|Mix" -benchtime 0.3s ./phone/codec/... ./phone/media # ns a frame, calls a core

clean: ## Remove what was built; ./data stays
	rm -rf bin

$(TOOLS)/.installed: tools/go.mod tools/go.sum
	@mkdir -p $(TOOLS)
	cd tools && GOBIN=$(CURDIR)/$(TOOLS) $(GO) install tool
	@touch $@
