# One line per verb; `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3,$(shell command -v $(p) 2>/dev/null)))
BIN := .venv/bin
# the order of the tests: fixed, so that what passed here passes there
SEED ?= 1
export PYTHONPATH := services:libs:.
# compiled once, not by every process of the suite
unexport PYTHONDONTWRITEBYTECODE
ANVIL := anvil-$(if $(filter Darwin,$(shell uname -s)),darwin,linux)-$(if $(filter arm64 aarch64,$(shell uname -m)),arm64,amd64)@1.7.1
# settings of the local stack: given on the command line, they reach it by the environment
export GATEWAY_PORT AWS_PORT REDIS_PORT REFERRALS_PORT INVITES_PORT COMPUTE_PORT CHAIN_PORT PERSIST STACK
unexport_empty = $(foreach v,GATEWAY_PORT AWS_PORT REDIS_PORT REFERRALS_PORT INVITES_PORT COMPUTE_PORT CHAIN_PORT PERSIST STACK,$(if $($(v)),,$(eval unexport $(v))))
$(unexport_empty)

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: .venv/.locked .venv-aws/.locked  ## build both environments from their hashed locks

.venv/.locked: requirements-dev.lock
	@$(call check-python)
	@echo "building .venv from requirements-dev.lock (about a minute, once)"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

.venv-aws/.locked: requirements-aws.lock
	@$(call check-python)
	@echo "building .venv-aws from requirements-aws.lock"
	@$(PYTHON) -m venv --clear .venv-aws
	@.venv-aws/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-aws.lock
	@touch $@

define check-python
if [ -z "$(PYTHON)" ] || ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
  echo "Python 3.11 or newer is needed; found: $$($(PYTHON) --version 2>&1 || echo none). Name one: make PYTHON=/path/to/python3.11" >&2; exit 1; fi
endef

up: setup  ## run the whole system in the foreground; PERSIST=1 keeps what was written
	@exec $(BIN)/python -m deploy.local up

down: setup  ## stop it, wherever it was started
	@$(BIN)/python -m deploy.local down

demo: setup  ## play the story of a member through the gateway; KEEP=1 leaves the stack up
	@$(BIN)/python -m deploy.local demo $(if $(KEEP),--keep)

token: setup  ## print a fresh token: USER=alice@example.com [USE=access], or USER=service
	@$(BIN)/python -m deploy.local token "$(USER)" $(or $(USE),id)

test: setup  ## all tests, on ports of their own; SEED=default for another order
	@$(BIN)/python -m pytest -q -n 4 --dist loadfile -p randomly --randomly-seed=$(SEED)

check: format-check lint types imports anvil-if-it-can test  ## what CI runs

anvil-if-it-can:
	@if command -v npm >/dev/null; then $(MAKE) anvil || echo "no anvil: its tests will be skipped" >&2; fi

format: setup  ## write every file as the formatter wants it
	@$(BIN)/ruff format -q .
	@$(BIN)/ruff check -q --fix .

format-check: setup
	@$(BIN)/ruff format -q --check .

lint: setup  ## ruff, all rules but the reasoned ignores
	@$(BIN)/ruff check -q .

types: setup  ## mypy, strict
	@$(BIN)/mypy

imports: setup  ## who may import whom
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

asyncapi: setup  ## describe the bus anew: docs/asyncapi.json
	@$(BIN)/python -m deploy.asyncapi

golden: setup  ## keep a sample of every new message
	@$(BIN)/python -m tests.contracts.samples

bench: setup  ## requests and write units per command, counted
	@$(BIN)/python benchmarks/road.py

bench-invites: setup  ## invitations in bulk: SES and SQS calls, memory; INVITES=10000
	@$(BIN)/python benchmarks/bulk_invites.py

bench-sqs: setup  ## the SQS transport beside the plain client loop
	@$(BIN)/python benchmarks/sqs.py

bench-replay: setup  ## how a rebuild grows, its ceiling, and a peer beside it
	@$(BIN)/python benchmarks/replay.py

bench-rebuild: setup  ## latency of commands beside a rebuild
	@$(BIN)/python benchmarks/rebuild_under_load.py

bench-gateway: setup  ## the read path beside a bare server and two usual ways to write it (needs wrk)
	@$(BIN)/python benchmarks/gateway_reads.py

bench-writes: setup  ## the write path beside a bare loop over the same parts: latency, throughput, CPU
	@$(BIN)/python benchmarks/gateway_writes.py

bench-limiter: setup  ## the rate limiter beside its own script, `limits` and `throttled-py`
	@$(BIN)/python benchmarks/limiter.py

chaos: setup  ## load, and everything that can fail fails: FAULTS=40 [SEED=123]
	@CHAOS_FAULTS=$(or $(FAULTS),40) CHAOS_SEED=$(if $(filter 1,$(SEED)),0,$(SEED)) $(BIN)/python -m pytest -q -s -p no:randomly tests/chaos/test_chaos.py

bench-boards: setup  ## a board of a million members: a page, and the close of a day
	@$(BIN)/python benchmarks/boards.py

bench-clusters: setup  ## cluster analysis of a million transfers: CPU, memory, growth, networkx beside it
	@$(BIN)/python benchmarks/clusters.py $(MILLIONS)

race: setup  ## a thousand people and one seat; then a thousand on a hundred codes
	@$(BIN)/python benchmarks/race.py

fuzz-gateway: setup  ## requests made from the description of the API, good and bad: EXAMPLES=100 of each operation
	@API_EXAMPLES=$(or $(EXAMPLES),100) $(BIN)/python -m pytest -q -p no:randomly --timeout=1800 tests/gateway/test_description_holds.py

chaos-sqs: setup  ## kill -9 a consumer of the SQS transport at random moments, twenty rounds
	@SQS_KILL_ROUNDS=20 $(BIN)/python -m pytest -q -p no:randomly libs/faststream_sqs/tests/test_kill.py

chaos-invites: setup  ## kill -9 the invites service between any two steps of its mails, fifty times
	@INVITE_KILLS=$(or $(KILLS),50) $(BIN)/python -m pytest -q -s -p no:randomly tests/journeys/test_invite_kills.py

anvil: .local/anvil/.$(ANVIL)  ## bring a real EVM for the tests that want one (needs npm; without it they are skipped, and say so)

.local/anvil/.$(ANVIL):
	@npm install --silent --no-save --ignore-scripts --prefix .local/anvil @foundry-rs/$(ANVIL)
	@touch $@

chaos-gateway: setup  ## Redis killed, keys away, gateways ending, all under load: REDIS_SECONDS=10 JWKS_SECONDS=60 ROUNDS=3
	@REDIS_AWAY_SECONDS=$(or $(REDIS_SECONDS),10) JWKS_SECONDS=$(or $(JWKS_SECONDS),60) ENDING_ROUNDS=$(or $(ROUNDS),3) ENDING_CLIENTS=64 \
	  $(BIN)/python -m pytest -q -s -p no:randomly tests/chaos/test_redis_dies.py tests/chaos/test_keys_away.py tests/chaos/test_gateway_ends.py

chaos-slow: setup  ## ten thousand slow, silent and listening connections beside somebody who wants an answer
	@SLOW_CONNECTIONS=10000 $(BIN)/python -m pytest -q -s -p no:randomly tests/chaos/test_slow_connections.py

rebuild: setup  ## rebuild a read model of the stack that is up: SERVICE=referrals [NAME=members]
	@set -a; . .local/stack/service.env; $(BIN)/python -m $(SERVICE) rebuild $(NAME)

LOCK := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links
lock: setup  ## resolve all dependencies anew into the hashed locks
	@$(LOCK) --extra telemetry contracts/pyproject.toml chassis/pyproject.toml services/*/pyproject.toml requirements-dev.in -o requirements-dev.lock
	@for s in gateway referrals invites compute; do \
	  $(LOCK) -c requirements-dev.lock --extra telemetry contracts/pyproject.toml chassis/pyproject.toml services/$$s/pyproject.toml -o services/$$s/requirements.lock; done
	@$(LOCK) requirements-aws.in -o requirements-aws.lock

.PHONY: fuzz-gateway chaos-gateway chaos-slow asyncapi anvil help setup up down demo token test check format format-check lint types imports golden bench bench-invites bench-sqs bench-replay bench-rebuild bench-gateway chaos chaos-sqs chaos-invites rebuild lock bench-boards bench-clusters bench-limiter bench-writes race
