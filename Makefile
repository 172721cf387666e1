# Ablate. `make help` lists the targets. Objects are found by wildcard: a new file needs no line here.

BUILD  ?= build
ifeq ($(origin CC),default)
CC := gcc
endif
PREFIX ?= /usr/local
UNITDIR     ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d

WARN   := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
OPT    ?= -O3 -g
# Bit-exactness: no contraction that the source doesn't spell out, no fast-math (schema/numerics.md §6).
CFLAGS_ALL := -std=c17 -D_GNU_SOURCE -I. $(WARN) $(OPT) -ffp-contract=off -fno-math-errno -fno-trapping-math -pthread -MMD -MP \
              $(SANITIZE) $(CFLAGS)
LDFLAGS_ALL := -pthread $(SANITIZE) $(LDFLAGS)

PKG_COMMON := jansson nettle libutf8proc
PKG_SERVER := $(PKG_COMMON) libmicrohttpd sqlite3 libuv libseccomp fontconfig zlib
PKG_WORKER := $(PKG_COMMON) libseccomp
PKG_CLIENT := $(PKG_COMMON) libcurl
PKG_TEST   := cmocka
# The worker loads OpenBLAS itself, when it trains (worker/ops/gemm.c): only its header is wanted here.
PKGS       := $(PKG_COMMON) libmicrohttpd sqlite3 libuv openblas libseccomp libcurl zlib
pkg-cflags  = $(shell pkg-config --cflags $(1) 2>/dev/null)
pkg-libs    = $(shell pkg-config --libs $(1) 2>/dev/null)
CFLAGS_PKG := $(call pkg-cflags,$(PKGS))

# The release is CHANGELOG.md's; a build of a checkout adds its commit.
RELEASE := $(shell sed -n 's/^.. \([0-9][0-9.]*\) .*/\1/p' CHANGELOG.md | head -n 1)
VERSION := $(RELEASE)$(addprefix +g,$(shell git describe --always --dirty --exclude '*' 2>/dev/null))
DEB_VERSION ?= $(RELEASE)

# Sources.
common_src := $(wildcard common/*.c common/*/*.c)
client_src := $(filter-out server/client/main.c,$(wildcard server/client/*.c server/client/*/*.c))
server_src := $(filter-out server/main.c server/client/%,$(wildcard server/*.c server/*/*.c server/*/*/*.c))
worker_src := $(filter-out worker/main.c,$(wildcard worker/*.c worker/*/*.c worker/*/*/*.c))
obj = $(patsubst %.c,$(BUILD)/%.o,$(1))

common_lib := $(BUILD)/libcommon.a
server_lib := $(BUILD)/libserver.a
client_lib := $(BUILD)/libclient.a
worker_lib := $(BUILD)/libworker.a
# The worker once more with `real` = double, for the gradient checks.
double_lib := $(BUILD)/double/libworker.a

# And once more with the faults of tests/planted.
planted  := $(BUILD)/planted/ablate-worker

programs := $(BUILD)/ablated $(BUILD)/ablate-worker $(BUILD)/ablate

# Tests: the folder decides what a test links. Below tests/unit lie the folders of what they test.
test_bin = $(patsubst %.c,$(BUILD)/%,$(wildcard $(1)/test_*.c $(1)/*/test_*.c $(1)/*/*/test_*.c))
tests_common := $(call test_bin,tests/unit/common)
tests_client := $(call test_bin,tests/unit/server/client)
tests_server := $(filter-out $(tests_client),$(call test_bin,tests/unit/server))
tests_worker := $(call test_bin,tests/unit/worker) $(call test_bin,tests/golden)
tests_grad   := $(call test_bin,tests/grad)
unit_tests   := $(tests_common) $(tests_server) $(tests_client) $(tests_worker) $(tests_grad)
fuzz_worker  := $(patsubst %,$(BUILD)/tests/fuzz/fuzz_%,safetensors tar capsule)
fuzz_server  := $(filter-out $(fuzz_worker),$(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c)))
bench_bin    := $(BUILD)/tests/bench/bench
calibrate    := $(BUILD)/tests/calibrate/calibrate
load_bins    := $(BUILD)/tests/bench/load $(BUILD)/tests/bench/flood $(BUILD)/tests/bench/pacer
tests_schema := $(BUILD)/tests/schema/decode
node_tests   := $(patsubst %package.json,%node_modules/.package-lock.json,$(wildcard tests/*/package.json))

.DEFAULT_GOAL := all
.PHONY: all units fuzzers tests laid-out setup test test-full calibrate fault asan tsan valgrind fuzz bench bench-server run demo install deb lint format clean help check-packages

all: check-packages $(programs) ## build the programs and the page
units: $(unit_tests)
fuzzers: $(fuzz_server) $(fuzz_worker)
tests: $(programs) $(planted) $(unit_tests) $(tests_schema) $(node_tests)

# What was missing when make read this file may be there after set-up, hence the second make.
again = +$(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
, := ,
quiet = > $(BUILD)/log 2>&1 || { cat $(BUILD)/log; exit 1; }

setup: ## install every Debian package that building, testing and the demo need
	deploy/setup.sh build test demo

test: ## install what is missing, build, run every test but those of test-full
	@deploy/setup.sh build test
	@mkdir -p $(BUILD) && echo "Building …"
	@$(again) tests laid-out $(quiet)
	@BUILD=$(BUILD) tests/run

test-full: ## the suites that are too slow for every change: tests/full, and faults that need neither root nor long
	@deploy/setup.sh build test readers
	@mkdir -p $(BUILD) && echo "Building …"
	@$(again) tests $(quiet)
	@BUILD=$(BUILD) tests/run --full

# The load (tests/analyse) with the build of a sanitizer, whose daemon starts the workers of the plain one.
loaded    := $(BUILD)/ablated $(BUILD)/ablate-worker $(BUILD)/tests/bench/flood
under      = WORKER=$(BUILD)/ablate-worker UNDER="tests/analyse/under $(1)" LIMIT=900 tests/run --units
sanitized  = BUILD=$(BUILD)-$(1) OPT="-O1 -g -fno-omit-frame-pointer" SANITIZE="$(2)" $(subst $(BUILD),$(BUILD)-$(1),$(quiet))

asan: ## run the unit, gradient and golden tests and the loaded daemon under the address and undefined-behaviour sanitizers
	@deploy/setup.sh build test
	@mkdir -p $(BUILD) $(BUILD)-asan && echo "Building with sanitizers …"
	@$(again) $(loaded) $(quiet)
	@$(again) units $(BUILD)-asan/ablated $(BUILD)-asan/tests/schema/decode $(call sanitized,asan,-fsanitize=address$(,)undefined -fno-sanitize-recover=undefined)
	@BUILD=$(BUILD)-asan $(call under,asan)

fault: ## inject every fault that Ablate must live through (FAULTS_SEED, FAULTS_ROUNDS); as root all of them
	@deploy/setup.sh build test deb fault
	@mkdir -p $(BUILD) && echo "Building …"
	@$(again) tests $(quiet)
	@BUILD=$(BUILD) tests/fault/run

unit_sources := $(patsubst $(BUILD)/tests/%,%.c,$(unit_tests))
# Suites by the names of their programs, wherever they lie.
suites = $(foreach name,$(1),$(filter %/test_$(name).c,$(unit_sources)))

# The suites that start threads.
tsan_suites := $(call suites,work publish stream ingest supervisor store purge tokens space)
tsan: ## run the server's threaded unit tests and the loaded daemon under the thread sanitizer
	@deploy/setup.sh build test
	@mkdir -p $(BUILD) $(BUILD)-tsan && echo "Building with the thread sanitizer …"
	@$(again) $(loaded) $(quiet)
	@$(again) $(patsubst %.c,$(BUILD)-tsan/tests/%,$(tsan_suites)) $(BUILD)-tsan/ablated $(BUILD)-tsan/tests/schema/decode $(call sanitized,tsan,-fsanitize=thread)
	@BUILD=$(BUILD)-tsan $(call under,tsan) $(tsan_suites) analyse/

# Without those suites, which go by the clock, or by what the kernel grants (import bounds memory, walls asks for
# Landlock, which valgrind doesn't know); and of a program that isn't there valgrind's posix_spawn says nothing.
valgrind_suites := $(filter-out $(tsan_suites) $(call suites,query queries timings figure import walls),\
                    $(filter unit/common/% unit/server/%,$(unit_sources)))
valgrind: ## run the unit tests of common and server that don't go by the clock, and the loaded daemon, under valgrind
	@deploy/setup.sh build test valgrind
	@mkdir -p $(BUILD) && echo "Building …"
	@$(again) tests $(loaded) $(quiet)
	@BUILD=$(BUILD) $(call under,valgrind) $(valgrind_suites) analyse/

fuzz: ## feed the parsers what nobody would write; FUZZ="wire spec" chooses, FUZZ_SECONDS=60 each
	@deploy/setup.sh build fuzz
	@mkdir -p $(BUILD)-fuzz && echo "Building with coverage and sanitizers …"
	@$(again) fuzzers BUILD=$(BUILD)-fuzz CC=clang OPT="-O1 -g -fno-omit-frame-pointer" \
	  SANITIZE="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined" $(subst $(BUILD),$(BUILD)-fuzz,$(quiet))
	@BUILD=$(BUILD)-fuzz tests/fuzz/run $(FUZZ)

CALIBRATE ?= 2000
calibrate: ## simulate experiments without a difference, and count how many claim one; CALIBRATE=2000 a figure
	@deploy/setup.sh build test
	@mkdir -p $(BUILD) && echo "Building …"
	@$(again) $(calibrate) $(quiet)
	@$(calibrate) $(CALIBRATE) arms looks equivalence >$(BUILD)/calibrate.arms & \
	  $(calibrate) $(CALIBRATE) claims lost needed coverage && wait $$! && cat $(BUILD)/calibrate.arms

bench: ## measure the trainer: against sgemm, PyTorch, itself; BENCH="share sparse" chooses parts, BENCH=page the page
	@deploy/setup.sh build bench
	@mkdir -p $(BUILD) && echo "Building …"
ifneq ($(filter page,$(BENCH)),)
	@deploy/setup.sh test && $(again) $(BUILD)/ablated $(BUILD)/ablate-worker $(BUILD)/tests/bench/flood tests/e2e/node_modules/.package-lock.json $(quiet)
	@node tests/bench/page.mjs
endif
ifneq ($(strip $(BENCH)),page)
	@$(again) $(bench_bin) $(BUILD)/ablate-worker $(quiet)
	@tests/bench/run.py --build $(abspath $(BUILD)) $(filter-out page,$(BENCH))
endif

bench-server: ## measure the daemon: floods, storms, readers, slow clients; BENCH="cold flood" chooses parts
	@deploy/setup.sh build load
	@mkdir -p $(BUILD) && echo "Building …"
	@$(again) $(load_bins) $(BUILD)/ablated $(BUILD)/ablate-worker $(quiet)
	@tests/bench/server.py --build $(abspath $(BUILD)) $(BENCH)

demo: ## train the demo's three arms and show the table and the page
	@deploy/setup.sh build demo
	@mkdir -p $(BUILD) && echo "Building …"
	@$(again) all $(quiet)
	@BUILD=$(BUILD) deploy/demo.sh

run: all ## start the daemon on var/
	$(BUILD)/ablated --data var

install: all ## install the programs, ablate's manual page and completion, and the systemd unit below DESTDIR/PREFIX
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(programs) $(DESTDIR)$(PREFIX)/bin
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 644 deploy/ablate.1 $(DESTDIR)$(PREFIX)/share/man/man1
	$(BUILD)/ablate completion bash > $(BUILD)/ablate.bash
	install -m 644 $(BUILD)/ablate.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/ablate
	install -d $(DESTDIR)$(UNITDIR) $(DESTDIR)$(SYSUSERSDIR)
	sed 's:/usr/local/bin:$(PREFIX)/bin:' deploy/ablated.service > $(DESTDIR)$(UNITDIR)/ablated.service
	install -m 644 deploy/ablate.sysusers $(DESTDIR)$(SYSUSERSDIR)/ablate.conf

deb: ## build the Debian package, BUILD/ablate_VERSION_ARCH.deb, and let lintian look at it
	@deploy/setup.sh build deb
	@mkdir -p $(BUILD) && echo "Building …"
	@deploy/debian/build.sh $(BUILD) $(DEB_VERSION) $(quiet)
	@ls $(BUILD)/ablate_$(DEB_VERSION)_*.deb

# Packages.
check-packages:
	@deploy/setup.sh --check

# Rules.
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(CFLAGS_PKG) -c $< -o $@

$(BUILD)/double/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(CFLAGS_PKG) -DABLATE_DOUBLE -c $< -o $@

$(BUILD)/planted/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(CFLAGS_PKG) -DABLATE_PLANTED -c $< -o $@

# Compiled again when the version has changed, and only then.
$(BUILD)/common/base/version.o: CFLAGS_PKG += -DABLATE_VERSION='"$(VERSION)"'
$(BUILD)/common/base/version.o: $(BUILD)/version
$(BUILD)/version: FORCE
	@mkdir -p $(@D) && echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' > $@
FORCE:

$(common_lib): $(call obj,$(common_src))
$(server_lib): $(call obj,$(server_src)) $(BUILD)/embedded.o
$(client_lib): $(call obj,$(client_src))
$(worker_lib): $(call obj,$(worker_src))
$(double_lib): $(patsubst %.c,$(BUILD)/double/%.o,$(worker_src))
%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $^

# Files that are part of the daemon.
embedded := $(wildcard schema/migrations/*.sql schema/presets/*.json schema/experiment.schema.json) \
            $(filter-out web/node_modules/%,$(shell find web -type f \( -name '*.js' -o -name '*.css' -o -name '*.html' -o -name '*.svg' \) 2>/dev/null))
uplot    := web/node_modules/uplot/dist/uPlot.iife.min.js web/node_modules/uplot/dist/uPlot.min.css
markdown := web/node_modules/markdown-it/dist/browser/markdown-it.esm.min.mjs
yaml     := web/node_modules/yaml/dist/index.js
openapi  := $(BUILD)/openapi.json

$(uplot) $(markdown) $(yaml) &: web/package.json
	cd web && npm ci --no-audit --no-fund --silent
	@touch $(uplot) $(markdown) $(yaml)

$(openapi): schema/openapi.yaml schema/experiment.schema.json deploy/openapi.mjs $(yaml)
	@mkdir -p $(@D)
	node deploy/openapi.mjs $(filter schema/%,$^) > $@.part && mv $@.part $@

# The short form comes as a script only; a line makes it a module.
$(BUILD)/uPlot.js: $(uplot)
	@mkdir -p $(@D)
	{ cat $<; echo 'export default uPlot;'; } > $@

$(BUILD)/embedded.S: $(embedded) $(BUILD)/uPlot.js $(markdown) $(openapi) deploy/embed.sh deploy/pack.sh Makefile
	@mkdir -p $(@D)
	{ printf '%s\n' $(embedded) | sed 's/.*/& &/'; echo schema/openapi.json $(openapi); \
	  printf 'web/lib/%s %s\n' uPlot.js $(BUILD)/uPlot.js uPlot.css $(word 2,$(uplot)) markdown-it.js $(markdown); } \
	  | deploy/pack.sh $(BUILD)/page | deploy/embed.sh > $@
$(BUILD)/embedded.o: $(BUILD)/embedded.S
	$(CC) -c $< -o $@

link = @mkdir -p $(@D) && $(CC) $(filter %.o %.a,$^) $(LDFLAGS_ALL) $(call pkg-libs,$(1)) -lm -o $@

$(BUILD)/ablated: $(BUILD)/server/main.o $(server_lib) $(common_lib)
	$(call link,$(PKG_SERVER))
$(BUILD)/ablate: $(BUILD)/server/client/main.o $(client_lib) $(common_lib)
	$(call link,$(PKG_CLIENT))
$(BUILD)/ablate-worker: $(BUILD)/worker/main.o $(worker_lib) $(common_lib)
	$(call link,$(PKG_WORKER))

$(planted): $(patsubst %.c,$(BUILD)/planted/%.o,worker/main.c $(worker_src) tests/planted/planted.c) $(common_lib)
	$(call link,$(PKG_WORKER))

$(tests_common): $(BUILD)/%: $(BUILD)/%.o $(common_lib)
	$(call link,$(PKG_COMMON) $(PKG_TEST))
$(tests_server): $(BUILD)/%: $(BUILD)/%.o $(server_lib) $(common_lib)
	$(call link,$(PKG_SERVER) $(PKG_TEST))
$(tests_client): $(BUILD)/%: $(BUILD)/%.o $(client_lib) $(common_lib)
	$(call link,$(PKG_CLIENT) $(PKG_TEST))
$(tests_worker): $(BUILD)/%: $(BUILD)/%.o $(worker_lib) $(common_lib)
	$(call link,$(PKG_WORKER) $(PKG_TEST))
$(patsubst $(BUILD)/%,$(BUILD)/double/%.o,$(tests_grad)): CFLAGS_ALL += -DABLATE_DOUBLE
$(tests_grad): $(BUILD)/%: $(BUILD)/double/%.o $(double_lib) $(common_lib)
	$(call link,$(PKG_WORKER) $(PKG_TEST))

# libFuzzer brings main.
$(fuzz_server) $(fuzz_worker): LDFLAGS_ALL += -fsanitize=fuzzer
$(fuzz_server): $(BUILD)/%: $(BUILD)/%.o $(server_lib) $(common_lib)
	$(call link,$(PKG_SERVER))
$(fuzz_worker): $(BUILD)/%: $(BUILD)/%.o $(worker_lib) $(common_lib)
	$(call link,$(PKG_WORKER))

$(bench_bin): $(BUILD)/%: $(BUILD)/%.o $(worker_lib) $(common_lib)
	$(call link,$(PKG_WORKER))

$(calibrate): $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/calibrate/*.c)) $(server_lib) $(common_lib)
	$(call link,$(PKG_SERVER))

$(load_bins): $(BUILD)/%: $(BUILD)/%.o $(common_lib)
	$(call link,$(PKG_COMMON))

# The tests of the schema ask the daemon's own decoder.
$(tests_schema): $(BUILD)/%: $(BUILD)/%.o $(server_lib) $(common_lib)
	$(call link,$(PKG_SERVER))
tests/%/node_modules/.package-lock.json: tests/%/package-lock.json
	cd tests/$* && npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

# Each tool runs where it is installed.
sources := $(wildcard $(foreach program,common server worker,$(program)/*.c $(program)/*/*.c $(program)/*/*/*.c))
scripts := $(wildcard deploy/*.sh tests/fault/*.sh tests/lint/*.sh) tests/run tests/fuzz/run tests/analyse/under .ci/run
have = command -v $(1) >/dev/null || { echo "lint: $(1) is not installed, left out"; exit 0; };

# Includes go downwards, headers declare what is their own file's, the sources are laid out as clang-format has them, and
# the linter has nothing to say of the page and the tests in JavaScript: a part of every test.
laid_out := git ls-files '*.[ch]' '*.inc'
eslint   := tests/lint/node_modules/.bin/eslint --config tests/lint/eslint.config.js web tests
laid-out: tests/lint/node_modules/.package-lock.json
	tests/lint/layers.sh
	tests/lint/headers.sh
	$(laid_out) | xargs clang-format --dry-run -Werror
	$(eslint)

lint: tests/lint/node_modules/.package-lock.json ## check layers, headers and the page, and the code by clang-tidy, cppcheck and shellcheck where installed
	@tests/lint/layers.sh
	@tests/lint/headers.sh
	@$(eslint)
	@$(call have,clang-format) $(laid_out) | xargs clang-format --dry-run -Werror
	@$(call have,shellcheck) shellcheck $(scripts)
	@$(call have,cppcheck) cppcheck --quiet -j2 --std=c11 --error-exitcode=1 --enable=warning,portability \
	  --suppressions-list=tests/lint/cppcheck '-Djson_object_foreach(o,k,v)=while(next(o,&k,&v))' \
	  '-Djson_array_foreach(a,i,v)=while(next(a,&i,&v))' -I. common server worker
	@$(call have,clang-tidy) printf '%s\n' $(sources) | xargs -P2 -n8 sh -c \
	  'clang-tidy --quiet "$$@" -- -std=c17 -D_GNU_SOURCE -I. $(CFLAGS_PKG) 2>/dev/null' clang-tidy

format: ## lay out the C sources
	$(laid_out) | xargs clang-format -i

clean: ## remove what was built
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-fuzz

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:.*## /\t/' | expand -t 12

-include $(shell find $(BUILD) -path $(BUILD)/deb -prune -o -type f -name '*.d' -print 2>/dev/null)
