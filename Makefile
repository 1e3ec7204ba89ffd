# The two targets that count: `make run` starts the product, `make test` passes every test.
# On Debian as root, missing packages install themselves.

GO          ?= go
BIN         := .bin
GOLANGCI    := v2.15.0
STATICCHECK := v0.8.2
# profiles/graph and what links it compile Microsoft's SDK, which takes minutes more under -race.
NORACE      := /profiles/graph$$|/internal/app|/internal/demo|/cmd/|/bench
RACE_PKGS    = $(shell $(GO) list ./... | grep -vE '$(NORACE)')
PLAIN_PKGS   = $(shell $(GO) list ./... | grep -E '$(NORACE)')

.PHONY: run test lint bench bench-docs fmt build deps bench-deps docs

run: build
	$(BIN)/rolecall try

build:
	$(GO) build -o $(BIN)/rolecall ./cmd/rolecall

test: deps
	$(GO) test -race -shuffle=on $(RACE_PKGS)
	$(GO) test -shuffle=on $(PLAIN_PKGS)

lint: $(BIN)/golangci-lint-$(GOLANGCI) $(BIN)/staticcheck-$(STATICCHECK)
	test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(BIN)/staticcheck-$(STATICCHECK) ./...
	$(BIN)/golangci-lint-$(GOLANGCI) run ./...

fmt:
	gofmt -w .

bench: bench-deps build
	$(GO) run ./bench $(BENCH)

# The same, written into docs/benchmarks.md and docs/growth.svg.
bench-docs: bench-deps build
	$(GO) run ./bench -docs $(BENCH)

docs:
	$(GO) generate ./docs/...

# What the tests start as real peers: program → Debian package.
deps:
	@scripts/need sipp=sip-tester baresip=baresip profanity=profanity tmux=tmux chromium=chromium \
		openssl=openssl /usr/lib/python3/dist-packages/slixmpp=python3-slixmpp /usr/lib/python3/dist-packages/aiohttp=python3-aiohttp \
		/usr/lib/postgresql=postgresql redis-server=redis-server slapd=slapd npm=npm \
		prosody=prosody /usr/share/doc/lua-unbound=lua-unbound ejabberdctl=ejabberd
	@[ -d xmpp/testdata/strophe/node_modules ] || npm install --prefix xmpp/testdata/strophe --no-package-lock --no-audit --no-fund --silent

bench-deps: deps
	@scripts/need kamailio=kamailio

$(BIN)/golangci-lint-$(GOLANGCI):
	GOBIN=$(CURDIR)/$(BIN) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)
	mv $(BIN)/golangci-lint $@

$(BIN)/staticcheck-$(STATICCHECK):
	GOBIN=$(CURDIR)/$(BIN) $(GO) install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK)
	mv $(BIN)/staticcheck $@
