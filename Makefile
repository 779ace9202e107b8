# The commands of this repository: `make help`.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
MAKEFLAGS += --no-print-directory

GENERATED := crds/yaml charts/fleetloom/crds docs/spec

.PHONY: help setup check verify test e2e cluster-up cluster-down demo status bench bench-operator bench-alerts bench-anomaly clean

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

node_modules/.package-lock.json: package-lock.json
	@echo 'Installing npm packages…'
	@npm install --loglevel=error >/dev/null
	@touch $@

setup: node_modules/.package-lock.json ## Install what is needed below this folder (Mosquitto: Debian package)
	@node e2e/tools/setup.ts

check: node_modules/.package-lock.json ## Format, lint, types and unit tests, in seconds
	@biome check --error-on-warnings .
	@tsc -p .
	@node e2e/run-tests.ts unit

verify: check ## check, then regenerate what is generated and fail on a difference
	@node crds/src/generate.ts
	@git diff --exit-code -- $(GENERATED) && test -z "$$(git ls-files --others --exclude-standard $(GENERATED))" \
	  || { echo 'generated files differ from what is committed: look at them, then commit them'; exit 1; }

test: setup ## Unit tests and journeys with real servers
	@node e2e/run-tests.ts unit journeys

e2e: setup ## Journeys on a real Kubernetes, built here from Go modules (the first time takes minutes)
	@node e2e/run-tests.ts cluster

cluster-up: setup ## Start a Kubernetes control plane with our CRDs, for kubectl
	@node e2e/cluster/main.ts up

cluster-down: node_modules/.package-lock.json ## Stop it
	@node e2e/cluster/main.ts down

demo: setup ## Run everything here; CHECK=1 proves that readings arrive, then stops
	@CHECK=$(CHECK) node e2e/demo/main.ts

status: node_modules/.package-lock.json ## Show the fleets of the running demo
	@node e2e/demo/status.ts

bench: setup ## Measure against Telegraf on this machine; writes e2e/bench/results
	@node e2e/bench/ingest.ts

bench-operator: setup ## Measure the operator with 100 and 1,000 fleets on a real API server
	@node e2e/bench/operator.ts

bench-alerts: setup ## Measure alert rules, notifications and event counters
	@node e2e/bench/alerts.ts

bench-anomaly: node_modules/.package-lock.json ## Measure the anomaly detector by NAB (NAB=FOLDER: a checkout of it)
	@node e2e/bench/nab.ts $(NAB)

clean: ## Remove what was installed, cached or written by the demo
	@rm -rf node_modules */node_modules services/*/node_modules .tools .cache .data
	@rm -rf "$${TMPDIR:-/tmp}"/fleetloom-test-* "$${TMPDIR:-/tmp}"/fleetloom-ports
