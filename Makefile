# Every figure and table of this project is a target here. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON  ?= python3
VENV    ?= .venv
RUN     := $(VENV)/bin/python

SPACE   ?= topology
TABLE   ?=
DATASET ?=
SEEDS   ?=
BUDGET  ?=
ARCHIVE ?=
DATA    ?=
EPOCHS  ?=
DEVICE  ?=
JOBS    ?=
SEARCHES ?= random rea reinforce local-search bohb nsga2 mo-rea mo-local-search
OBJECTIVES ?=
QUICK   ?=
RESULTS ?= results$(if $(QUICK),-quick)
FIGURES ?= $(if $(QUICK),$(RESULTS)/figures,plots/figures)
ARGS    ?=

# A variable on the command line that no target reads is a misprint.
VARIABLES := PYTHON VENV SPACE TABLE DATASET SEEDS BUDGET ARCHIVE DATA EPOCHS DEVICE JOBS SEARCHES OBJECTIVES QUICK RESULTS FIGURES ARGS
given-names := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
unknown := $(firstword $(filter-out $(VARIABLES),$(given-names)))
NEAREST = import difflib, sys; word, *known = sys.argv[1:]; find = difflib.get_close_matches; \
	print(*find(word, known, 1) or find(word.upper(), known, 1))
nearest = $(shell $(PYTHON) -c '$(NEAREST)' '$(1)' $(2) 2> /dev/null)
comma := ,
meant = $(if $(1),$(comma) did you mean $(1)?,$(2))
ifneq ($(unknown),)
$(error unknown variable $(unknown)$(call meant,$(call nearest,$(unknown),$(VARIABLES)),; expected one of $(VARIABLES)))
endif

# Flags that are passed on only where the variable is set.
flag = $(if $($(1)),--$(2) '$($(1))')
given = $(if $(filter command environment,$(origin $(1))),--$(2) '$($(1))')
# Each algorithm has a page of documentation named after it.
ALGORITHMS := $(basename $(notdir $(wildcard docs/algorithms/*.md)))
elsewhere = ; \`make help\` lists them; a search of your own: $(VENV)/bin/nas-zoo run $@ --module FILE.py --table TABLE
# Names from the registries, read when a recipe needs them, once.
names = $(eval names-$(1) := $(or $(names-$(1)),$(shell $(RUN) -m experiments list --names $(1) 2> /dev/null)))$(names-$(1))
of-kind = $(filter $(1),$(call names,$(2)))
black-box-flags = $(call flag,BUDGET,budget) $(call given,SPACE,space)
one-shot-flags  = $(call flag,EPOCHS,epochs) $(call flag,DEVICE,device) $(call flag,DATA,data)
# Table and dataset of an algorithm where they are not given: NATS-Bench for what runs on it without images, else digits.
space-of   = $(if $(call of-kind,$(1),black-box),$(SPACE),$(if $(call of-kind,$(1),size),size,topology))
on-nats    = $(and $(filter topology,$(SPACE)),$(call of-kind,$(1),full-training))
dataset-of = $(or $(DATASET),$(if $(TABLE),$(if $(filter digits-%,$(TABLE)),digits),$(if $(call on-nats,$(1)),cifar10,digits)))
table-of   = $(or $(TABLE),$(if $(filter digits,$(call dataset-of,$(1))),digits,nats)-$(call space-of,$(1)))

TARGETS := help install dev hpbandster import reproduce fronts ranking table plots gpu-check docs docs-results bench bench-check \
	test quick lint format clean
.PHONY: $(TARGETS) $(ALGORITHMS)

help: ## List the targets and the variables
	@echo 'Targets:'
	@grep -hE '^[a-z$$()A-Z-]+:.*## ' $(MAKEFILE_LIST) | sed -e 's/$$(ALGORITHMS)/ALGORITHM/' | awk -F':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'
	@echo 'ALGORITHM is one of: $(ALGORITHMS)'
	@echo 'Variables: TABLE=path (by default the embedded nats-topology, or digits-SPACE for DATASET=digits)  ARCHIVE=path'
	@echo '           DATASET=cifar10|cifar100|ImageNet16-120|digits (by default cifar10; digits for sizes and for searches that need'
	@echo '           images or shorter trainings)'
	@echo '           SPACE=topology|size  SEEDS=number of runs  JOBS=processes'
	@echo '           RESULTS=results  FIGURES=plots/figures  PYTHON=python3  QUICK=1 (few seeds of few searches, in RESULTS=results-quick)'
	@echo "           reproduce: SEEDS are those of black-box searches; of one-shot methods: ARGS='--one-shot-seeds 5'"
	@echo '           black-box searches: BUDGET=simulated seconds'
	@echo '           reproduce, fronts: SEARCHES=names of black-box searches'
	@echo '           fronts: OBJECTIVES=metrics, each an objective besides accuracy (params)'
	@echo '           one-shot methods: EPOCHS=epochs of the search  DEVICE=cpu|cuda  DATA=folder of the data set (digits need none)'
	@echo "           ARGS='more flags', for example: make rea TABLE=t ARGS='--population-size 20'"

# An environment that an interrupted install has left without pip, or that is of an old Python, is made anew; what is missing is installed.
NEEDED = import sys; old = sys.version_info < (3, 10); \
	old and sys.exit("error: needs Python 3.10 or newer, got %d.%d.%d; name another one: make PYTHON=python3.12" % sys.version_info[:3])

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(RUN) -c '$(NEEDED); import pip' 2> /dev/null || { \
		command -v $(PYTHON) > /dev/null || { echo 'error: no program $(PYTHON); name a Python 3.10 or newer: make PYTHON=python3.12' >&2; exit 2; }; \
		$(PYTHON) -c '$(NEEDED)' || exit 2; \
		test ! -e $(VENV)/pyvenv.cfg || rm -rf $(VENV); \
		$(PYTHON) -m venv $(VENV); }
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --use-pep517 hpbandster==0.7.4
	@touch $@

install: $(VENV)/.installed ## Create .venv and install what the experiments need

dev: $(VENV)/.installed-dev ## The same, and what the tests need

hpbandster: $(VENV)/.installed ## Add the optional hpbandster backend of bohb-reference
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[hpbandster]'
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --use-pep517 hpbandster==0.7.4

import: $(VENV)/.installed ## Import an official archive: make import ARCHIVE=folder-or-file (TABLE=tables/NAME.safetensors)
	@test -n '$(ARCHIVE)' || { echo 'error: no archive: make import ARCHIVE=path/to/NATS-tss-v1_0-3ffb9-simple' >&2; exit 2; }
	$(RUN) -m benchmark_api import '$(ARCHIVE)' '$(or $(TABLE),tables/$(notdir $(ARCHIVE:/=)).safetensors)' $(call flag,JOBS,jobs) $(ARGS)

reproduce: $(VENV)/.installed ## All algorithms, then tables and figures: on the embedded tables, or: make reproduce TABLE=file DATA=folder; QUICK=1: in minutes
	$(RUN) -m experiments reproduce $(call flag,TABLE,table) $(call given,DATASET,dataset) $(call flag,DATA,data) $(call flag,DEVICE,device) --results '$(RESULTS)' $(call flag,SEEDS,seeds) $(call flag,BUDGET,budget) $(call flag,JOBS,jobs) $(if $(filter-out file,$(origin SEARCHES)),--searches $(SEARCHES)) $(if $(QUICK),--quick) $(ARGS)
	$(RUN) -m plots --results '$(RESULTS)' --out '$(FIGURES)' $(call flag,TABLE,table) $(call flag,JOBS,jobs)

fronts: $(VENV)/.installed ## Search for fronts of accuracy against metrics, then tables and figures: make fronts TABLE=file OBJECTIVES='params latency@pixel3'
	$(RUN) -m experiments reproduce --table '$(or $(TABLE),nats-topology)' $(call given,DATASET,dataset) --searches $(SEARCHES) $(addprefix --objectives ,$(OBJECTIVES)) --one-shot-seeds 0 --results '$(RESULTS)' $(call flag,SEEDS,seeds) $(call flag,BUDGET,budget) $(call flag,JOBS,jobs) $(ARGS)
	$(RUN) -m plots --results '$(RESULTS)' --out '$(FIGURES)' --table '$(or $(TABLE),nats-topology)' $(call flag,JOBS,jobs)

$(ALGORITHMS): $(VENV)/.installed ## Run one algorithm on an embedded table, or: make gdas TABLE=file DATASET=cifar10 DATA=folder DEVICE=cuda
	$(RUN) -m experiments run $@ --table '$(call table-of,$@)' $(patsubst %,--dataset '%',$(call dataset-of,$@)) $(call flag,SEEDS,seeds) $(if $(call of-kind,$@,black-box),$(black-box-flags),$(one-shot-flags)) --results '$(RESULTS)' $(call flag,JOBS,jobs) $(ARGS)

ranking: $(VENV)/.installed ## Compare the ranking of architectures by the supernets in RESULTS with that of the table
	$(RUN) -m experiments ranking --results '$(RESULTS)' $(call flag,TABLE,table) $(call flag,DEVICE,device) $(call flag,DATA,data) $(call flag,JOBS,jobs) $(ARGS)

table: $(VENV)/.installed ## Print the results in RESULTS and the published ones
	@$(RUN) -m experiments table --results '$(RESULTS)' $(call flag,TABLE,table) $(ARGS)

plots: $(VENV)/.installed ## Draw the figures of what is in RESULTS as PNG and PDF
	$(RUN) -m plots --results '$(RESULTS)' --out '$(FIGURES)' $(call flag,TABLE,table) $(call flag,JOBS,jobs) $(ARGS)

gpu-check: $(VENV)/.installed ## Check one-shot methods on an accelerator: correctness, speed, memory; goes on where it stopped (DEVICE=cuda)
	$(RUN) -m experiments.gpu_check --device '$(or $(DEVICE),cuda)' --out '$(RESULTS)/gpu-check' $(ARGS)

docs: $(VENV)/.installed-dev ## Write the documentation as a site to site/; open site/index.html
	$(VENV)/bin/sphinx-build -q -W --keep-going -b html -c docs -d site/.doctrees . site

docs-results: $(VENV)/.installed ## Write the results in RESULTS into the pages of docs/algorithms, with a curve each
	$(RUN) -m plots.pages --results '$(RESULTS)' $(ARGS)

SPEED = $(RUN) -m pytest tests/speed $(call flag,TABLE,table) $(call flag,ARCHIVE,archive) --benchmark-storage='file://$(RESULTS)/bench' \
	--benchmark-columns=min,median,iqr,rounds --benchmark-sort=name

bench: $(VENV)/.installed-dev ## Measure speed and keep it in RESULTS/bench, counterparts in one group; also TABLE=file ARCHIVE=folder
	$(SPEED) --benchmark-autosave $(ARGS)

bench-check: $(VENV)/.installed-dev ## Measure again and compare with the last kept; fails if a minimum became 1.25 times as long
	$(SPEED) --benchmark-compare --benchmark-compare-fail=min:25% $(ARGS)

test: $(VENV)/.installed-dev ## Run all tests, in two processes more than there are cores
	$(RUN) -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

quick: $(VENV)/.installed-dev ## Run the tests that take seconds
	$(RUN) -m pytest -n auto --dist loadfile --no-loadscope-reorder -m 'not slow' $(ARGS)

lint: $(VENV)/.installed-dev ## Check style and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

format: $(VENV)/.installed-dev ## Format the code
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean: ## Remove .venv, caches and figures; results and tables stay
	rm -rf $(VENV) $(FIGURES)/*.png $(FIGURES)/*.pdf build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

.DEFAULT:
	@echo "error: unknown target $@$(call meant,$(call nearest,$@,$(ALGORITHMS) $(TARGETS)),$(elsewhere))" >&2; exit 2
