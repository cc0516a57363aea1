# make            generate, build, test
# make build      the three commands and the rules, into dist/
# make generate   everything that is derived from the catalogue, and the BPF objects; needs clang-16 and llvm-16
# make test       vet, staticcheck and all tests that need nothing but Go (root runs more of them)
# make fuzz       random filters against the oracle, and every parser with random input, for FUZZTIME each; root
# make test-kernels   the tests in test/, on this kernel and on real ones in QEMU, two guests at once; see KERNELS
# make kernels-table  the same, and write its results into docs/kernels.md
# make budget     writes down what the verifier may spend on each program: on this kernel and on those of BUDGETS
# make bench, make bench-counted   costs: on this kernel; by counting instructions in a guest
# make soak       the sensor for long, under a load that changes: is it flat, is anything missing; 30 minutes, see SOAK; root
# make lint       formatting, vet, staticcheck
# make dist       what is released, into dist/release: tarballs, .deb, .rpm, checksums, lists of materials; see ARCHES
# make dist-check the same twice, in two places: it must be the same bytes
# make picture    the screen in README.md, drawn from a run of the real program; root
# make test-install   the package on a fresh Debian that is fetched and booted, as the quick start says, and the programs for
#                 arm64 in an emulator; root, debootstrap, systemd-container, qemu-user-static
# make image      the container image tracee:latest, of nothing but Tracee; docker

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := all

# Those that take longest first. The list of all that are known: go run ./test/kernels -help
KERNELS ?= sid,6.12-arm64,6.12,6.1,5.10,6.1-x32

# Packages that touch nothing but memory: their tests also run under the race detector, which needs cgo and gcc.
PURE := $(patsubst %,./%/...,$(wildcard types filter rules output stream))

.PHONY: dist dist-check image picture test-packaging test-install all build generate test race fuzz test-kernels kernels-table budget bench bench-counted soak lint clean

# One after the other, whatever -j says.
all:
	$(MAKE) generate
	$(MAKE) build
	$(MAKE) test

build:
	CGO_ENABLED=0 go build -o dist/ ./cmd/...
	mkdir -p dist/rules
	cp signatures/rego/*.rego dist/rules/
	cp -r templates dist/

generate:
	go generate ./...

# What the tests of a package wrote is shown if one failed; otherwise its result, and why tests were skipped. Into the file
# "again" go the packages of which a test failed, each with a pattern of those tests.
define REPORT
/^=== (RUN|CONT|NAME) / { current = $$3 }
/^ +[a-z0-9_]+_test\.go:[0-9]+: / { notes[current] = $$0; sub(/^ +/, "", notes[current]) }
/--- SKIP: / { test = $$0; sub(/^ *--- SKIP: /, "", test); sub(/ \(.*/, "", test)
	skips = skips "    skipped " test ": " notes[test] "\n"; skipped++ }
/--- PASS: / { passed++ }
/--- FAIL: / { failed++ }
/^--- FAIL: / { failures = failures "|" $$3 }
/^panic: / { crashed = 1 }
!/^(=== (RUN|PAUSE|CONT|NAME)| *--- PASS: )/ { text[++lines] = $$0 }
function show(i) { for (i = 1; i <= lines; i++) print text[i] }
/^FAIL\t/ { show(); print $$2, (failures && !crashed ? "^(" substr(failures, 2) ")$$" : ".") > again; failures = ""; crashed = 0 }
/^(ok  |FAIL|\?   )\t/ { if ($$1 != "FAIL") print; printf "%s", skips; lines = 0; skips = ""; delete notes }
END { if (lines != 1 || text[1] != "FAIL") show()
	printf "%d tests passed, %d failed, %d skipped\n", passed, failed, skipped }
endef
export REPORT

# A test that fails while those of other packages run beside it has another try alone, and fails if it fails again. It is told.
TWICE = if test -s dist/again; then \
		while read -r package tests; do \
			echo "once more, alone: go test -run '$$tests' $$package"; \
			go test -v -count=1 -run "$$tests" "$$package" < /dev/null 2>&1 | awk -v again=/dev/null "$$REPORT"; \
		done < dist/again; \
		echo "FAILED AT FIRST, PASSED ALONE:"; cat dist/again; \
	fi

test:
	go vet ./...
	GOARCH=arm64 go vet ./...
	go tool staticcheck ./...
	mkdir -p dist
	rm -f dist/again
	go test -v ./... 2>&1 | awk -v again=dist/again "$$REPORT" || test -s dist/again
	@$(TWICE)
	$(MAKE) test-packaging
	$(MAKE) race

# A module of its own: what packages are made with is no concern of the programs.
test-packaging:
	cd packaging && go vet . && go test .

race:
	@if command -v gcc >/dev/null; then \
		echo "the race detector:"; CGO_ENABLED=1 go test -race $(PURE); \
	else \
		echo "skipped the race detector: it needs gcc"; \
	fi

# How long each parser is fuzzed. Targets are found by their names, and take turns. Only our own packages are instrumented:
# for all of them, building would take longer than fuzzing. Before Go 1.27 the end of that time could come between the two
# halves of a check in the go tool, which then reported it as a failure, alone and without an input (go.dev/issue/75804).
FUZZTIME ?= 5s
FUZZED := $(patsubst %/,%,$(sort $(dir $(shell grep -rlE --include='*_test.go' '^func Fuzz' .))))

fuzz:
	go test ./filter -run Agree -rapid.checks 2000
	mkdir -p dist
	@for package in $(FUZZED); do \
		go test -c -gcflags='github.com/tracee-go/tracee/...=-d=libfuzzer' -o dist/fuzz.test "$$package"; \
		for target in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9]+).*/\1/p' "$$package"/*_test.go); do \
			echo "$$package $$target"; \
			(cd "$$package" && "$(CURDIR)/dist/fuzz.test" -test.run '^$$' -test.fuzz "^$$target\$$" -test.fuzztime $(FUZZTIME) \
				-test.fuzzminimizetime 200x -test.parallel 1 -test.fuzzcachedir "$$(go env GOCACHE)/fuzz/$$package") \
				2>&1 | tee dist/fuzz.log && continue; \
			grep -qE 'Failing input|panic|[Ff]atal' dist/fuzz.log && exit 1; \
			grep -A1 '^--- FAIL' dist/fuzz.log | grep -qx ' *context deadline exceeded' || exit 1; \
		done; \
	done

test-kernels:
	go run ./test/kernels -host -kernels $(KERNELS)

kernels-table:
	go run ./test/kernels -host -kernels $(KERNELS) -output docs/kernels.md

BUDGETS ?= sid,6.12-arm64,5.10,6.12,6.1

# The runner finds no results of events in this, and says so.
budget:
	go run ./test/kernels -host -kernels $(BUDGETS) -run TestNoProgramOutgrowsItsBudget -v > budget.log 2>&1 || true
	grep -ao 'BUDGET [0-9].*' budget.log | cut -d' ' -f2- | sort -Vu > test/testdata/budget.golden
	rm budget.log
	cut -d' ' -f1 test/testdata/budget.golden | uniq -c

bench:
	go run ./test/bench
	go test ./cli -run '^$$' -bench Needed -benchtime 1x

bench-counted:
	go run ./test/bench -counted

# Such as "-duration 72h", and "-disturb cpu,clock" on a machine of one's own.
SOAK ?=

soak:
	go run ./test/soak $(SOAK)

lint:
	@files=$$(gofmt -l .); \
	if [[ -n $$files ]]; then echo "gofmt would change:"; echo "$$files"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...
	@if [[ -f .clang-format ]] && command -v clang-format-16 >/dev/null; then \
		clang-format-16 --dry-run --Werror $$(git ls-files '*.bpf.h' '*.bpf.c' 'bpf/lib/*.h' 'bpf/kernel/*.h'); \
	else \
		echo "skipped clang-format: it needs clang-format-16 and .clang-format"; \
	fi

ARCHES ?= amd64,arm64

dist:
	rm -rf dist/release
	cd packaging && go run . -arch $(ARCHES)

# The second time in a clone elsewhere: neither the path nor the time of the build may matter.
dist-check: dist
	other=$$(mktemp -d) && trap 'rm -rf "$$other"' EXIT && git clone -q . "$$other/tracee" && \
	cd "$$other/tracee/packaging" && go run . -arch $(ARCHES) && diff ../dist/release/SHA256SUMS $(CURDIR)/dist/release/SHA256SUMS
	cd dist/release && sha256sum --quiet --check SHA256SUMS

picture: build
	go run ./test/picture docs/pictures/top.svg

test-install:
	cd packaging && TRACEE_TEST_INSTALL=1 go test -count 1 -run 'Fresh|ARM64' -v -timeout 60m .

image: build
	docker build -t tracee:latest -f deploy/Dockerfile dist

clean:
	rm -rf dist
