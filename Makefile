# The same four verbs for both languages: build, test, lint, check. `make help` lists all.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
# Set to 0 where no database may be installed; the Postgres suite then says that it is skipped.
REQUIRE_POSTGRES ?= 1

# The golangci-lint that tools/go.mod pins; built once, about a minute.
GOLANGCI := .cache/bin/golangci-lint
SEED ?= 1

# Any other seed kills at other moments.
export EPOCHWATCH_SEED ?= 1

.PHONY: help build demo kill test test-go test-python lint check postgres messages clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

build: ## the daemon, into bin/epochwatch
	go build -trimpath -ldflags "-s -w" -o bin/epochwatch ./daemon/epochwatch

demo: build $(VENV)/.ready ## a live fit is watched, told about, and its rate cut (SEED=1)
	@scripts/demo $(PY) $(SEED)

test: test-go test-python ## everything that must hold; installs what is missing

# The end-to-end tests train with the real callback, so they need the Python packages too.
E2E := EPOCHWATCH_REQUIRE_POSTGRES=$(REQUIRE_POSTGRES) EPOCHWATCH_PYTHON=$(CURDIR)/$(PY)

test-go: postgres $(VENV)/.ready ## the Go suites, with the race detector, shuffled
	$(E2E) go test -race -shuffle=on -timeout 15m ./...

kill: postgres $(VENV)/.ready ## kill trainer, daemon, NATS and Postgres 50 times each
	$(E2E) EPOCHWATCH_KILLS=50 go test -count=1 -timeout 60m -v -run 'Killed' ./daemon/e2e

test-python: $(VENV)/.ready ## the Python suite, on Keras with the JAX backend
	cd python-callback && KERAS_BACKEND=jax ../$(PY) -m pytest -q

lint: $(VENV)/.ready $(GOLANGCI) ## linters of both languages
	go vet ./...
	$(GOLANGCI) run ./...
	test -z "$$(gofmt -l $$(git ls-files '*.go'))"
	$(VENV)/bin/ruff check python-callback && $(VENV)/bin/ruff format --check python-callback
	cd python-callback && ../$(VENV)/bin/mypy

check: lint test ## lint and test

postgres:
	@scripts/postgres $(REQUIRE_POSTGRES)

$(VENV)/.ready: python-callback/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install -q --disable-pip-version-check -e 'python-callback[dev]'
	touch $@

$(GOLANGCI): tools/go.mod
	cd tools && go build -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

messages: ## draw docs/messages.png anew; needs Chromium and pngquant
	scripts/messages/sheet

clean: ## remove what was built
	rm -rf bin .cache demo-data $(VENV)
