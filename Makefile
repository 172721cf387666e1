# Ablate. `make help` lists the targets. Objects are found by wildcard: a new file needs no line here.

BUILD  ?= build
ifeq ($(origin CC),default)
CC := gcc
endif
PREFIX ?= /usr/local


WARN   := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
OPT    ?= -O3 -g
# Bit-exactness: no contraction that the source doesn't spell out, no fast-math (NUMERICS).
CFLAGS_ALL := -std=c17 -D_GNU_SOURCE -I. $(WARN) $(OPT) -ffp-contract=off -fno-math-errno -fno-trapping-math -pthread -MMD -MP \
              $(SANITIZE) $(CFLAGS)
LDFLAGS_ALL := -pthread $(SANITIZE) $(LDFLAGS)

PKG_COMMON := jansson nettle
PKG_SERVER := $(PKG_COMMON) libmicrohttpd sqlite3 libuv
PKG_WORKER := $(PKG_COMMON) openblas
PKG_TEST   := cmocka
PKGS       := $(PKG_COMMON) libmicrohttpd sqlite3 libuv openblas
pkg-cflags  = $(shell pkg-config --cflags $(1) 2>/dev/null)
pkg-libs    = $(shell pkg-config --libs $(1) 2>/dev/null)
CFLAGS_PKG := $(call pkg-cflags,$(PKGS))

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

# --- sources -------------------------------------------------------------------------------------
common_src := $(wildcard common/*.c)
server_src := $(filter-out server/main.c,$(wildcard server/*.c server/*/*.c))
worker_src := $(filter-out worker/main.c,$(wildcard worker/*.c worker/*/*.c))
obj = $(patsubst %.c,$(BUILD)/%.o,$(1))

common_lib := $(BUILD)/libcommon.a
server_lib := $(BUILD)/libserver.a
worker_lib := $(BUILD)/libworker.a
# The worker once more with `real` = double, for the gradient checks.
double_lib := $(BUILD)/double/libworker.a

programs := $(BUILD)/ablated $(BUILD)/ablate-worker

# --- tests: the folder decides what a test links ---------------------------------------------------
test_bin = $(patsubst %.c,$(BUILD)/%,$(wildcard $(1)/test_*.c))
tests_common := $(call test_bin,tests/unit/common)
tests_server := $(call test_bin,tests/unit/server)
tests_worker := $(call test_bin,tests/unit/worker) $(call test_bin,tests/golden)
tests_grad   := $(call test_bin,tests/grad)
unit_tests   := $(tests_common) $(tests_server) $(tests_worker) $(tests_grad)

.DEFAULT_GOAL := all
.PHONY: all check-packages units clean help

all: check-packages $(programs) ## build the programs and the page

units: $(unit_tests)

# --- packages --------------------------------------------------------------------------------------
check-packages:
	@deploy/setup.sh --check

# --- rules -----------------------------------------------------------------------------------------
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(CFLAGS_PKG) -c $< -o $@

$(BUILD)/double/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(CFLAGS_PKG) -DABLATE_DOUBLE -c $< -o $@

$(BUILD)/common/version.o: CFLAGS_PKG += -DABLATE_VERSION='"$(VERSION)"'

$(common_lib): $(call obj,$(common_src))
$(server_lib): $(call obj,$(server_src)) $(BUILD)/embedded.o
$(worker_lib): $(call obj,$(worker_src))
$(double_lib): $(patsubst %.c,$(BUILD)/double/%.o,$(worker_src))
%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $^

# --- files that are part of the daemon -------------------------------------------------------------
embedded := $(wildcard schema/*.sql schema/presets/*.json schema/experiment.schema.json schema/openapi.yaml) \
            $(filter-out web/node_modules/%,$(shell find web -type f \( -name '*.js' -o -name '*.css' -o -name '*.html' -o -name '*.svg' \) 2>/dev/null))
uplot    := web/node_modules/uplot/dist/uPlot.esm.js web/node_modules/uplot/dist/uPlot.min.css

$(uplot) &: web/package.json
	cd web && npm ci --no-audit --no-fund --silent
	@touch $(uplot)

$(BUILD)/embedded.S: $(embedded) $(uplot) deploy/embed.sh Makefile
	@mkdir -p $(@D)
	{ printf '%s\n' $(embedded) | sed 's/.*/& &/'; printf 'web/lib/%s %s\n' uPlot.js $(word 1,$(uplot)) uPlot.css $(word 2,$(uplot)); } \
	  | deploy/embed.sh > $@
$(BUILD)/embedded.o: $(BUILD)/embedded.S
	$(CC) -c $< -o $@

link = @mkdir -p $(@D) && $(CC) $(filter %.o %.a,$^) $(LDFLAGS_ALL) $(call pkg-libs,$(1)) -lm -o $@

$(BUILD)/ablated: $(BUILD)/server/main.o $(server_lib) $(common_lib)
	$(call link,$(PKG_SERVER))
$(BUILD)/ablate-worker: $(BUILD)/worker/main.o $(worker_lib) $(common_lib)
	$(call link,$(PKG_WORKER))

$(tests_common): $(BUILD)/%: $(BUILD)/%.o $(common_lib)
	$(call link,$(PKG_COMMON) $(PKG_TEST))
$(tests_server): $(BUILD)/%: $(BUILD)/%.o $(server_lib) $(common_lib)
	$(call link,$(PKG_SERVER) $(PKG_TEST))
$(tests_worker): $(BUILD)/%: $(BUILD)/%.o $(worker_lib) $(common_lib)
	$(call link,$(PKG_WORKER) $(PKG_TEST))
$(patsubst $(BUILD)/%,$(BUILD)/double/%.o,$(tests_grad)): CFLAGS_ALL += -DABLATE_DOUBLE
$(tests_grad): $(BUILD)/%: $(BUILD)/double/%.o $(double_lib) $(common_lib)
	$(call link,$(PKG_WORKER) $(PKG_TEST))

clean: ## remove what was built
	rm -rf $(BUILD)

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
