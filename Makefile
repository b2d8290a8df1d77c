# SPDX-License-Identifier: Apache-2.0
# make demo   compare the stock driver and ours on a fresh lab
# make test   lint, unit tests, and functional tests on a fresh lab
# make lab    bring a lab up and leave it running (make lab-down ends it)

PYTHON3 := .venv/bin/python

.PHONY: demo test lint docs lab lab-down setup

demo: setup
	$(PYTHON3) -m lab --state .lab/demo demo

test: setup
	$(PYTHON3) tools/run_tests.py

lint: setup
	PATH="$(CURDIR)/.venv/bin:$$PATH" tools/lint.sh

docs: setup
	.venv/bin/sphinx-build -W -q -b html doc/source doc/build/html

lab: setup
	$(PYTHON3) -m lab up

lab-down:
	$(PYTHON3) -m lab down

setup:
	@tools/setup.sh
