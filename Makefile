# One non-recursive Makefile: an archive per layer; a unit test links its layer and those below.
.DEFAULT_GOAL := all
PREFIX ?= /usr/local
B      ?= build/plain
CFLAGS ?= -O2 -g
WARN   := -Wall -Wextra $(if $(WERROR),-Werror)
SAN    := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer)
PKG    := libevent_core libnghttp2 libseccomp libssl libcrypto yaml-0.1 libzstd libbrotlidec libbrotlienc zlib sqlite3 libprotobuf-c
PKG_CFLAGS := $(shell pkg-config --cflags $(PKG) 2>/dev/null)
LIBS   := $(shell pkg-config --libs $(PKG) 2>/dev/null) -lm
# optional, and loaded only where a policy has patterns: capture/detect/patterns.h
HYPERSCAN := $(shell pkg-config --cflags libhs 2>/dev/null && echo -DHAVE_HYPERSCAN)

src_base    := $(wildcard proto/base/*.c)
src_formats := $(wildcard proto/*.c)
src_net     := $(wildcard proto/net/*.c)
src_capture := $(wildcard capture/*.c capture/detect/*.c)
src_replay  := $(wildcard replay/*.c)
src_proxy   := $(filter-out proxy/main.c,$(wildcard proxy/*.c))
src_tools   := $(wildcard tools/*.c)
gen_capture := $B/proto/schema/capture.pb-c.o
gen_replay  := $B/proto/schema/inference.pb-c.o

# Who may use whom: the whole architecture in six lines.
use_base    :=
use_formats := base
use_net     := formats base
use_capture := formats base
use_replay  := capture net formats base
use_proxy   := capture net formats base

LAYERS := base formats net capture replay proxy
lib = $B/lib$1.a
obj = $(patsubst %.c,$B/%.o,$1)

# build/understudy is the variant that was made last
all: $B/understudy
	@cmp -s $< build/understudy || { cp -f $< build/understudy.new && mv -f build/understudy.new build/understudy; }
$B/understudy: $B/proxy/main.o $(call obj,$(src_tools)) $(foreach l,proxy replay capture net formats base,$(call lib,$l))
	$(CC) $(LDFLAGS) $(SAN) -o $@ $^ $(LIBS)
$(foreach l,$(LAYERS),$(eval $(call lib,$l): $(call obj,$(src_$l)) $(gen_$l)))
$B/lib%.a:
	@mkdir -p $(@D); rm -f $@
	ar rcs $@ $^
$B/%.o: %.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -I. -I$B $(PKG_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(WARN) $(SAN) -MMD -MP -c -o $@ $<
$B/proto/schema/%.pb-c.c: proto/schema/%.proto
	@mkdir -p $(@D)
	protoc-c --proto_path=proto/schema --c_out=$B/proto/schema $<
$B/proto/schema/%.pb-c.o: $B/proto/schema/%.pb-c.c
	$(CC) -std=gnu11 -I$B $(PKG_CFLAGS) $(CFLAGS) $(SAN) -c -o $@ $<
$B/capture/detect/patterns.o: CPPFLAGS += $(HYPERSCAN)
# sources that include a generated header say so here
$(call obj,$(wildcard capture/capfile*.c)): | $(gen_capture)
$B/replay/oip_grpc.o: | $(gen_replay)
.PRECIOUS: $B/proto/schema/%.pb-c.c

# tests/unit/<layer>_<subject>.c links its layer and what lies under it, no more.
UNITS := $(patsubst %.c,$B/%,$(wildcard tests/unit/*.c))
under = $(firstword $(subst _, ,$(notdir $1)))
.SECONDEXPANSION:
$(UNITS): $B/%: $B/%.o $$(foreach l,$$(call under,$$*) $$(use_$$(call under,$$*)),$$(call lib,$$l))
	$(CC) $(LDFLAGS) $(SAN) -o $@ $^ $(LIBS) -lcmocka
units: $(UNITS)

# tests/fault: allocations and I/O fail on purpose. Under a sanitizer only our own allocations can.
comma := ,
WRAPS := write pread ftruncate fdatasync open recv send socket connect $(if $(SANITIZE),malloc calloc realloc)
FAULTS := $(patsubst %.c,$B/%,$(filter-out tests/fault/fail.c,$(wildcard tests/fault/*.c)))
$(FAULTS): $B/%: $B/%.o $B/tests/fault/fail.o $(foreach l,proxy replay capture net formats base,$(call lib,$l))
	$(CC) $(LDFLAGS) $(SAN) $(addprefix -Wl$(comma)--wrap=,$(WRAPS)) -o $@ $^ $(LIBS) -lcmocka
faults: $(FAULTS)

# Fuzz targets replay their corpus and old crashers without clang; `make fuzz` builds them as engines.
FUZZ_LIBS := $(foreach l,proxy replay capture net formats base,$(call lib,$l))
FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,$B/tests/fuzz/fuzz_%,$(wildcard tests/fuzz/fuzz_*.c))
$(FUZZERS): $B/%: $B/%.o $B/tests/fuzz/main.o $(FUZZ_LIBS)
	$(CC) $(LDFLAGS) $(SAN) -o $@ $^ $(LIBS)
fuzzers: $(FUZZERS)

FUZZ_SECONDS ?= 60
FUZZ_ONLY ?= $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
ENGINES := $(patsubst %,$B/engine/%,$(FUZZ_ONLY))
$(ENGINES): $B/engine/%: $B/tests/fuzz/%.o $(FUZZ_LIBS)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS)
engines: $(ENGINES)
	sh tests/fuzz/run $(FUZZ_SECONDS) $(ENGINES)
fuzz:
	$(MAKE) B=build/fuzz CC=clang SANITIZE=fuzzer-no-link,address,undefined \
		CFLAGS='-O1 -g -fno-sanitize-recover=undefined' engines

check: all units faults fuzzers
	B=$B sh tests/run
asan:
	$(MAKE) B=build/asan SANITIZE=address,undefined CFLAGS='-O1 -g' check
# Nothing here has threads, so there is no tsan: what processes share is stressed by tests/fault/kill.
cover:
	-$(MAKE) B=build/cover CPPFLAGS=-DCONFINE_LOOSELY CFLAGS='-O0 -g --coverage' LDFLAGS=--coverage check
	sh tests/cover build/cover
lint:
	STRICT=1 sh tests/lint
BENCHES := $(patsubst %.c,$B/%,$(wildcard tests/bench_*.c))
$(BENCHES): $B/%: $B/%.o $(foreach l,replay capture net formats base,$(call lib,$l))
	$(CC) $(LDFLAGS) $(SAN) -o $@ $^ $(LIBS)
$B/tests/study: $B/tests/study.o $(foreach l,replay capture net formats base,$(call lib,$l))
	$(CC) $(LDFLAGS) $(SAN) -o $@ $^ $(LIBS)
study: $B/tests/study
	$B/tests/study
LOADS := $(patsubst %.c,$B/%,$(wildcard tests/load/*.c))
$(LOADS): $B/%: $B/%.o $(foreach l,formats base,$(call lib,$l))
	$(CC) $(LDFLAGS) $(SAN) -o $@ $^ $(LIBS)
bench: all $(BENCHES) $(LOADS)
	$(foreach b,$(BENCHES),$b &&) true
	B=$B python3 tests/bench
format:
	clang-format -i $$(git ls-files '*.c' '*.h')
install: all
	BINARY=$B/understudy PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' sh tools/install
# built as Debian builds, whatever CFLAGS say
deb:
	$(MAKE) B=build/deb CFLAGS="$$(dpkg-buildflags --get CFLAGS) -ffile-prefix-map=$(CURDIR)=." \
		CPPFLAGS="$$(dpkg-buildflags --get CPPFLAGS)" \
		LDFLAGS="$$(dpkg-buildflags --get LDFLAGS) -Wl,-z,now" build/deb/understudy
	BINARY=build/deb/understudy sh tools/deb build
clean:
	rm -rf build
help:
	@echo 'all      the program, $B/understudy'
	@echo 'check    every test;  asan: the same under sanitizers'
	@echo 'fuzz     each engine for FUZZ_SECONDS, with clang'
	@echo 'cover    which lines the tests reach'
	@echo 'bench    what a request costs, beside nginx'
	@echo 'study    planted changes: what the noise floor misses and blames, beside other rules'
	@echo 'lint     layers and format;  format: clang-format over all of it'
	@echo 'install  PREFIX, DESTDIR: program, pages, completions, units, examples'
	@echo 'deb      a Debian package, with dpkg-dev'
	@echo 'clean    removes build/'
-include $(shell find $B -name '*.d' 2>/dev/null)
.PHONY: all units faults fuzzers engines check asan cover lint bench study fuzz format install deb clean help
