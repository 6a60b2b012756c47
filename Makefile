# Two commands do it all on a fresh machine: `make run` and `make test`.
PYTHON ?= python3
CONFIG ?= configs/tiny.yaml
PORT ?= 8000
BIN := .venv/bin
URL := $(if $(filter-out 8000,$(PORT)), --url http://127.0.0.1:$(PORT))
SAMPLES := $(shell ls -v tiny/samples/digits-*)
PHRASES := $(wildcard tiny/samples/canary/??-*)
ENGLISH := $(wildcard tiny/samples/canary/en-*)
-include .env
export $(filter CHORUS_% HF_% OTEL_%,$(.VARIABLES))

.DEFAULT_GOAL := help
.PHONY: help install run serve stop browser node clients postgres kustomize prometheus redis k8s test test-long check bench translate-bench overload load capacity hours scaling watch faults tiny

help:  ## What there is to make
	@grep -hE '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 14

install: .venv/.installed  ## Create .venv and install everything, once

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11, 4) <= sys.version_info < (3, 13))' || \
	  { echo "Chorus needs Python 3.11 (from 3.11.4 on) or 3.12: make install PYTHON=python3.12"; exit 1; }
	@echo "installing into .venv: a few minutes and a few gigabytes, once"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --group dev
	@touch $@

run: install  ## Start the server on the embedded models; transcribe real people, translate and speak phrases
	@$(BIN)/chorus serve configs/tiny.yaml --port $(PORT) --background
	@echo "recordings of real people: 1 to 8 of one whom no model has heard before, 9 to 12 of four known ones:"
	@$(BIN)/chorus transcribe $(SAMPLES) --url http://127.0.0.1:$(PORT) --timings
	@printf '%s\n' "" "phrases in five languages, in synthetic voices that no model has heard before:"
	@$(BIN)/chorus transcribe $(PHRASES) --model canary --url http://127.0.0.1:$(PORT)
	@printf '%s\n' "" "the same in English:"
	@$(BIN)/chorus translate $(filter-out $(ENGLISH), $(PHRASES)) --url http://127.0.0.1:$(PORT)
	@for language in de fr es ru; do printf '%s\n' "" "the English ones in $$language:"; \
	  $(BIN)/chorus translate $(ENGLISH) --to $$language --url http://127.0.0.1:$(PORT) || exit 1; done
	@printf '%s\n' "" "one of them spoken in Russian by espeak-ng, into build/spoken:"
	@$(BIN)/chorus translate $(firstword $(ENGLISH)) --from en --to ru --speech build/spoken --url http://127.0.0.1:$(PORT)
	@printf '%s\n' "" "The server goes on at http://127.0.0.1:$(PORT), documented at /docs. What next:" \
	  "  .venv/bin/chorus transcribe YOUR.mp3 --format srt$(URL)" \
	  "  .venv/bin/chorus jobs submit YOUR.mp3 --wait$(URL)" \
	  "  .venv/bin/chorus eval tiny/samples/canary/manifest.jsonl --model canary$(URL)" \
	  "  curl -F file=@tiny/samples/digits-1.wav http://127.0.0.1:$(PORT)/v1/audio/transcriptions" \
	  "  make serve CONFIG=configs/one_gpu.yaml" \
	  "  make stop$(if $(URL), PORT=$(PORT))"

serve: install  ## Serve CONFIG=configs/….yaml in the foreground on PORT=8000
	@$(BIN)/chorus serve $(CONFIG) --port $(PORT)

stop: install  ## Stop the server that `make run` started
	@$(BIN)/chorus stop --port $(PORT)

browser: install  ## Install a headless Chromium, which the tests of the page need, unless there is one
	@.ci/browser

node:  ## Install Node, which the TypeScript client needs, unless it is there
	@.ci/node

clients: install node  ## Install, check, build and test the TypeScript client and its examples
	@.ci/clients
	@cd clients/typescript && npm test

postgres:  ## Install PostgreSQL's programs, which tests of jobs need, unless they are there
	@.ci/postgres

kustomize:  ## Find or fetch a kubectl that builds k8s/, which its tests need
	@.ci/kustomize

k8s: install  ## Write into k8s/ what it takes from configs/ and monitoring/ (CI checks that it was done)
	@$(BIN)/python k8s/generate.py

prometheus:  ## Unpack Prometheus, which tests of dashboards and alerts need, unless it is there
	@.ci/prometheus

redis:  ## Install Redis, which keeps the memory of a cluster's head in tests of faults, unless it is there
	@.ci/redis

test: install  ## Test everything that takes seconds
	@$(BIN)/python -m pytest

test-long: install  ## Test what takes long: a full-size model, long recordings, many clients
	@$(BIN)/python -m pytest -m long

check: install  ## Lint, types, layers, configurations, known vulnerabilities
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/chorus check configs/*.yaml
	@$(BIN)/python k8s/generate.py --check
	@$(BIN)/python .ci/audit.py

.venv/.bench: .venv/.installed
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --constraint constraints.txt --group bench
	@touch $@

bench: .venv/.bench  ## Measure what the server costs beside its engine, in 35 minutes; writes docs/bench.md (ARGS="--only 7")
	@$(BIN)/python -m loadtest.bench --report docs/bench.md $(ARGS)

translate-bench: install  ## Measure how long after the end of speech its translation is heard; writes docs/translation.md
	@$(BIN)/python -m loadtest.translate --report docs/translation.md $(ARGS)

overload: install  ## Measure what is answered when ten times as much comes as can be done
	@$(BIN)/python -m loadtest.overload --config configs/simulated.yaml

load: install  ## Locust's users against URL=… (USERS=10 FOR=1m SHAPE=steady; UI=1: its page)
	@$(BIN)/locust -f loadtest/locustfile.py --host $(if $(filter command,$(origin URL)),$(URL),http://127.0.0.1:$(PORT)) \
	  --users $(or $(USERS),10) --run-time $(or $(FOR),1m) --shape $(or $(SHAPE),steady) \
	  --stop-timeout 60 $(if $(UI),,--headless --only-summary)

capacity: install  ## How much CONFIG=… carries, and what to write down; ARGS="--simulate" without a GPU
	@$(BIN)/python -m loadtest.capacity --config $(CONFIG) \
	  --report build/capacity/$(basename $(notdir $(CONFIG))).html $(ARGS)

hours: install  ## Measure a recording of three hours against its parts; writes docs/hours.md
	@$(BIN)/python -m loadtest.hours --report docs/hours.md

scaling: install  ## Measure the autoscaling policies beside Serve's default; writes docs/scaling.md (ARGS="--loads step")
	@$(BIN)/python -m loadtest.scaling --report docs/scaling.md $(ARGS)

watch: install prometheus  ## Ask every query of monitoring/ of a server under load; writes docs/watched.md
	@$(BIN)/python -m loadtest.watch --images docs/images --report docs/watched.md $(ARGS)

faults: install  ## Lose any part of a cluster under load, each three times; writes docs/faults.md (ARGS="--only lose-worker --repetitions 1")
	@$(BIN)/python -m loadtest.faults --report docs/faults.md $(ARGS)

tiny: install  ## Train the embedded models again (an hour to an hour and a half each on two cores)
	@$(BIN)/python -m tiny parakeet --epochs 6 --minutes 32
	@$(BIN)/python -m tiny parakeet --epochs 3 --minutes 10 --continue
	@$(BIN)/python -m tiny parakeet --epochs 2 --minutes 4.5 --continue
	@$(BIN)/python -m tiny parakeet --epochs 4 --minutes 13 --continue
	@$(BIN)/python -m tiny parakeet --epochs 4 --minutes 18 --continue
	@$(BIN)/python -m tiny parakeet --epochs 4 --minutes 15 --continue
	@$(BIN)/python -m tiny parakeet --epochs 4 --minutes 11 --continue
	@$(BIN)/python -m tiny streaming
	@$(BIN)/python -m tiny canary
