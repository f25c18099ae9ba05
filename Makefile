# One line per task; `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# the first Python on PATH that runs and is new enough
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
ifndef PYTHON
PYTHON := $(shell for p in python3.11 python3.12 python3.13 python3; do \
  $$p -c '$(NEW_ENOUGH)' 2>/dev/null && command -v $$p && break; done)
endif
BIN := .venv/bin
# the order of the tests: fixed, so that a failure can be repeated
SEED ?= 1
export PYTHONPATH := services:libs:.
# compiled once, not by every process of the suite
unexport PYTHONDONTWRITEBYTECODE
# make passes variables of its command line on: `make up GATEWAY_PORT=9090` reaches the local stack
PYTEST := $(BIN)/python -m pytest -q

help:  ## list these commands
	@sed -nE -e 's/^##@ (.*)/\n\1/p' -e 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

##@ Run the system on this machine

setup:  ## build both environments from their hashed locks, unless they are up to date
	@if [ -z "$(PYTHON)" ] || ! $(PYTHON) -c '$(NEW_ENOUGH)'; then \
	  echo "Vouch needs Python 3.11 or newer, and found $$($(or $(PYTHON),python3) --version 2>&1 || echo none). Choose one: make PYTHON=/path/to/python3.11" >&2; exit 1; fi
	@$(PYTHON) deploy/build_environment.py .venv=requirements-dev.lock .venv-aws=requirements-aws.lock

demo: setup  ## follow one member through the complete system, and leave it running; STOP=1 stops it again
	@$(BIN)/python -m deploy.local demo $(if $(STOP),,--keep)

up: setup  ## run the complete system in the foreground; PERSIST=1 keeps its data
	@exec $(BIN)/python -m deploy.local up

seed: setup  ## fill the pages of the running system: members, a month of referrals, invitations
	@$(BIN)/python -m deploy.local seed

down: setup  ## stop the system, wherever it was started
	@$(BIN)/python -m deploy.local down

token: setup  ## print a fresh token: USER=alice@example.com [USE=access], or USER=service
	@$(BIN)/python -m deploy.local token "$(USER)" $(or $(USE),id)

limits: setup  ## raise the limits per address of the running system, where all callers share one: TIMES=100
	@$(BIN)/python -m deploy.local limits $(or $(TIMES),100)

rebuild: setup  ## rebuild a read model of the running system: SERVICE=referrals [NAME=members]
	@set -a; . .local/stack/service.env; $(BIN)/python -m $(SERVICE) rebuild $(NAME)

aws-local: setup  ## create all stacks of docs/aws.md on a local AWS, run and release the services, delete the stacks
	@$(BIN)/python -m deploy.local.cloud

##@ Check a change

check: setup  ## run what CI runs: format, lint, types, import rules, web pages, tests
	@$(MAKE) -j2 -k --output-sync=target before-tests
	@$(MAKE) test

# two at a time; types first, since they take as long as all the others
before-tests: types try-browser lint-stacks try-web try-anvil lint imports format-check

test: setup  ## run all tests, on ports of their own; SEED=default for another order
	@$(PYTEST) -n 3 --dist loadfile --no-loadscope-reorder -p randomly --randomly-seed=$(SEED)

test-fast: setup  ## run the tests that start no process, except slow ones
	@$(PYTEST) -n 2 -m "not stack and not slow" --start-no-process --ignore tests/chaos --ignore tests/journeys -p randomly --randomly-seed=$(SEED)

test-cluster: setup  ## run every test that uses Redis directly on a cluster of three shards
	@REDIS_TOPOLOGY=cluster $(PYTEST) -n 2 --dist loadfile --timeout 300 -p no:randomly

test-policies: setup  ## run every journey with the stacks' own policies enforced, then name grants that nothing needs
	@rm -f .local/policies.jsonl
	@ENFORCE_POLICIES=.local/policies.jsonl $(PYTEST) -n 2 --dist loadfile -p no:randomly --timeout 400 tests/journeys tests/gateway/test_stack.py
	@$(BIN)/python -m tests.support.policy_use .local/policies.jsonl

test-recipes: setup  ## leave out each change of the recipes in README.md in turn: a check must report it
	@RECIPE_OMISSIONS=1 $(PYTEST) -n 0 -p no:randomly tests/recipes

format: setup  ## format every file
	@$(BIN)/ruff format -q .
	@$(BIN)/ruff check -q --fix .

format-check: setup  ## check that every file is formatted
	@$(BIN)/ruff format -q --check .

lint: setup  ## run ruff: all rules except those ignored for a reason
	@$(BIN)/ruff check -q .

lint-stacks: setup  ## run cfn-lint on the CloudFormation stacks
	@$(BIN)/cfn-lint -r eu-west-2 -t deploy/aws/*.yaml deploy/aws/data/*.yaml

types: setup  ## run mypy, strict
	@$(BIN)/mypy

imports: setup  ## check which package may import which
	@$(BIN)/python -m deploy.import_rules --no-logo

# put the packages of a lock of npm into .local, unless the ones there are from the same lock
install_locked = @mkdir -p .local/$(1); cmp -s tests/packages/$(1)/package-lock.json .local/$(1)/installed-lock.json || { \
  cp tests/packages/$(1)/package.json tests/packages/$(1)/package-lock.json tests/packages/$(1)/.npmrc .local/$(1)/; \
  (cd .local/$(1) && npm ci --loglevel=error >/dev/null); \
  cp .local/$(1)/package-lock.json .local/$(1)/installed-lock.json; }

anvil:  ## install a real EVM for the tests that use one (needs npm; without it they are skipped)
	$(call install_locked,anvil)

try-anvil:
	@if command -v npm >/dev/null; then $(MAKE) anvil || echo "anvil could not be installed: its tests will be skipped" >&2; fi

browser: setup  ## install Chromium for the tests of pages (needs npm and apt; without it they are skipped)
	@{ command -v chromium-headless-shell || { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y chromium-headless-shell; } || command -v chromium; } >/dev/null
	$(call install_locked,browser)
	@$(PYTHON) deploy/build_environment.py .local/browser/venv=requirements-browser.lock

try-browser:
	@if command -v npm >/dev/null; then $(MAKE) browser || echo "Chromium could not be installed: its tests will be skipped" >&2; fi

##@ Images

images: setup sbom-library  ## build all images without a container engine, then start and stop each (needs root on Debian or Ubuntu)
	@$(BIN)/python -m deploy.images

sbom: setup sbom-library  ## describe an image in CycloneDX: SERVICE=referrals CONTENTS=contents.json
	@$(BIN)/python -m deploy.images.sbom $(SERVICE) $(CONTENTS)

sbom-library:
	@$(PYTHON) deploy/build_environment.py .local/sbom=requirements-sbom.lock

##@ Update generated files

generate: setup  ## write what follows from the services: stacks, compose file, description of the bus
	@$(BIN)/python -m deploy.generate

golden: setup  ## store a sample of every new message
	@$(BIN)/python -m tests.contracts.samples

LOCK := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links
# a service ships with the libraries that it or the chassis imports
libraries_of = $$(for library in $$(ls libs); do grep -rqE "^ *(from|import) $$library\\b" --include=*.py chassis $(1) && echo libs/$$library/pyproject.toml; done)
lock: setup  ## resolve all dependencies again into the hashed locks
	@$(LOCK) --all-extras libs/*/pyproject.toml contracts/pyproject.toml chassis/pyproject.toml services/*/pyproject.toml requirements-dev.in -o requirements-dev.lock
	@for service in services/*/; do \
	  $(LOCK) -c requirements-dev.lock --extra telemetry $(call libraries_of,$$service) contracts/pyproject.toml chassis/pyproject.toml $${service}pyproject.toml -o $${service}requirements.lock; done
	@$(LOCK) -c requirements-dev.lock requirements-uv.in -o requirements-uv.lock
	@$(LOCK) -c requirements-dev.lock requirements-browser.in -o requirements-browser.lock
	@$(LOCK) requirements-aws.in -o requirements-aws.lock
	@$(LOCK) requirements-sbom.in -o requirements-sbom.lock
	@$(LOCK) requirements-node.in -o requirements-node.lock
	@for folder in web tests/packages/*; do npm --prefix $$folder install --silent --package-lock-only; done

##@ The web pages

# npm of this machine; where there is none, of a PyPI package in an environment of its own
NPM := PATH="$$PATH:$(CURDIR)/.local/node/bin" npm --prefix web

web: web-packages generate  ## build the pages into web/dist, which is committed
	@$(NPM) run --silent build

web-watch: web-packages  ## build the pages again whenever a source changes
	@$(NPM) run --silent watch

web-check: web-packages  ## check the types of the pages, that web/dist is what they build, and their sizes
	@$(NPM) run --silent check

screenshots: setup browser  ## draw the pictures in docs/images again, from the system that `make demo` has filled
	@$(BIN)/python -m tests.web.screenshots

map-reference: setup browser  ## store the picture of the map again, with which a test compares it
	@RENEW_REFERENCE=1 $(PYTEST) -n 0 -p no:randomly tests/web/test_map_picture.py

web-upload:  ## put the pages into the bucket of the web stack: BUCKET=… DISTRIBUTION=… (needs the AWS command line)
	@aws s3 sync web/dist/assets s3://$(BUCKET)/app/assets --exclude "*.br" --exclude "*.gz" --cache-control "public, max-age=31536000, immutable"
	@for file in member.html token.html icon.svg pages.css; do aws s3 cp web/dist/$$file s3://$(BUCKET)/app/$$file --cache-control no-cache; done
	@aws cloudfront create-invalidation --distribution-id $(DISTRIBUTION) --paths "/app/*" "/"

web-packages: web/node_modules/.package-lock.json

try-web:
	@if command -v npm >/dev/null; then $(MAKE) web-check; else echo "npm is missing: web/dist is not checked" >&2; fi

web/node_modules/.package-lock.json: web/package-lock.json
	@command -v npm >/dev/null || [ -x .local/node/bin/npm ] || $(PYTHON) deploy/build_environment.py .local/node=requirements-node.lock
	@$(NPM) ci --loglevel=error >/dev/null
	@touch $@

##@ Break it on purpose

chaos: setup  ## inject faults at random under load, then compare every read model with the log: FAULTS=40 [SEED=123] [ONLY="Redis evicts keys;…"]
	@CHAOS_ONLY="$(ONLY)" CHAOS_FAULTS=$(or $(FAULTS),40) CHAOS_SEED=$(if $(filter 1,$(SEED)),0,$(SEED)) $(PYTEST) -s -p no:randomly tests/chaos/test_chaos.py

chaos-refusals: setup  ## let Redis and AWS refuse in every way under load: REFUSED=20 [SEED=123] [REFUSAL="Redis is full (OOM)"]
	@REFUSAL="$(REFUSAL)" REFUSAL_SECONDS=$(or $(REFUSED),20) CHAOS_SEED=$(if $(filter 1,$(SEED)),0,$(SEED)) $(PYTEST) -s -p no:randomly tests/chaos/test_refusals.py

chaos-failover: setup  ## fail over under load to a replica that lags, then compare every read with the log: ROUNDS=10 LAG=3 [SEED=123]
	@FAILOVER_ROUNDS=$(or $(ROUNDS),10) FAILOVER_LAG=$(or $(LAG),3) CHAOS_SEED=$(if $(filter 1,$(SEED)),0,$(SEED)) $(PYTEST) -s -p no:randomly tests/chaos/test_failover.py

chaos-shards: setup  ## kill the primary of one shard after the other under load; its replica takes over: ROUNDS=12 LAG=1 [SEED=123]
	@SHARD_ROUNDS=$(or $(ROUNDS),12) SHARD_LAG=$(or $(LAG),1) CHAOS_SEED=$(if $(filter 1,$(SEED)),0,$(SEED)) $(PYTEST) -s -p no:randomly tests/chaos/test_shards.py

chaos-gateway: setup  ## kill Redis, the key endpoint and gateways under load: REDIS_SECONDS=10 JWKS_SECONDS=60 ROUNDS=3
	@REDIS_AWAY_SECONDS=$(or $(REDIS_SECONDS),10) JWKS_SECONDS=$(or $(JWKS_SECONDS),60) ENDING_ROUNDS=$(or $(ROUNDS),3) ENDING_CLIENTS=64 \
	  $(PYTEST) -s -p no:randomly tests/chaos/test_redis_dies.py tests/chaos/test_keys_away.py tests/chaos/test_gateway_ends.py

chaos-slow: setup  ## open ten thousand slow and silent connections next to a client that wants an answer
	@SLOW_CONNECTIONS=10000 $(PYTEST) -s -p no:randomly tests/chaos/test_slow_connections.py

chaos-sqs: setup  ## kill -9 a consumer of the SQS transport at random moments, twenty times
	@SQS_KILL_ROUNDS=20 $(PYTEST) -p no:randomly libs/faststream_sqs/tests/test_kill.py

chaos-invites: setup  ## kill -9 the invites service between any two steps of sending: KILLS=50
	@INVITE_KILLS=$(or $(KILLS),50) $(PYTEST) -s -p no:randomly tests/journeys/test_invite_kills.py

fuzz-gateway: setup  ## send valid and invalid requests generated from the OpenAPI document: EXAMPLES=100 per operation
	@API_EXAMPLES=$(or $(EXAMPLES),100) $(PYTEST) -p no:randomly --timeout=1800 tests/gateway/test_description_holds.py

##@ Measure it (every bound is on a count, or on a ratio within one run)

bench: setup  ## count the requests and write units of each command, and print what they cost (STORE=1 stores the counts)
	@$(BIN)/python benchmarks/command_costs.py

bench-all: setup  ## run the benchmarks at a reduced size, a quarter of an hour on two idle cores; print all bounds: [ONLY="limiter sqs"] [AT=COMMIT]
	@$(BIN)/python benchmarks/all.py $(if $(ONLY),--only $(ONLY)) $(if $(AT),--at $(AT))

bench-gateway: setup  ## read path: compare with a bare server, a naive one and one in FastAPI (needs wrk)
	@$(BIN)/python benchmarks/gateway_reads.py

bench-writes: setup  ## write path: compare with a bare loop over the same parts
	@$(BIN)/python benchmarks/gateway_writes.py

bench-sqs: setup  ## SQS transport: compare with a plain client loop
	@$(BIN)/python benchmarks/sqs.py

bench-replay: setup  ## rebuild: growth with the log, the ceiling of this machine, and a peer
	@$(BIN)/python benchmarks/replay.py

bench-rebuild: setup  ## latency of commands while a rebuild runs
	@$(BIN)/python benchmarks/rebuild_under_load.py

bench-limiter: setup  ## rate limiter: compare with its own script, `limits` and `throttled-py`
	@$(BIN)/python benchmarks/limiter.py

bench-memory: setup  ## memory of each idle service, compared with an earlier commit
	@$(BIN)/python benchmarks/memory.py

bench-streams: setup  ## commands on streams of 100 to 10,000 commits: CPU, read units, latency, blocking
	@$(BIN)/python benchmarks/streams.py

bench-boards: setup  ## leaderboard of a million members: one page, and the close of a day
	@$(BIN)/python benchmarks/boards.py

bench-clusters: setup  ## cluster analysis of a million transfers: growth, memory, and networkx: MILLIONS=1
	@$(BIN)/python benchmarks/clusters.py $(MILLIONS)

bench-worlds: setup  ## judge cluster analysis on simulated launches: WORLDS="--split tuning"
	@$(BIN)/python -m benchmarks.worlds --store .local/worlds.jsonl $(WORLDS)

bench-invites: setup  ## ten thousand invitations: SES and SQS calls, memory: INVITES=10000
	@$(BIN)/python benchmarks/bulk_invites.py

bench-web: setup browser  ## first paint of the web pages, and when they can be used, compared with an empty page (needs make demo)
	@$(BIN)/python benchmarks/web_pages.py

race: setup  ## a thousand people for one seat, then a thousand for a hundred codes
	@$(BIN)/python benchmarks/race.py

.PHONY: $(shell sed -nE 's/^([a-z-]+):.*/\1/p' $(MAKEFILE_LIST))
