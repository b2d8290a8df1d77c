# SPDX-License-Identifier: Apache-2.0
# make demo   compare the stock driver and ours on a fresh lab
# make unit   the unit tests; TEST=test_plan for some of them
# make test   lint, unit tests, and functional tests on two fresh labs
# make bench  measure the stock driver and each method of ours on a fresh lab,
#             and write the figures into the documents and the README
# make faults kill the services while uploads run, in 208 rounds, and audit
# make storm  send 1000 small images through faults on the way to the services
# make tempest   run Tempest on the stock driver and on ours, side by side
# make lab    bring a lab up and leave it running (make lab-down ends it)

PYTHON3 := .venv/bin/python

.PHONY: bench demo faults storm unit test lint docs lab lab-down setup tempest

demo: setup
	$(PYTHON3) -m lab --state .lab/demo demo

unit: setup
	OS_TEST_TIMEOUT=180 PYTHONWARNINGS=ignore::DeprecationWarning \
	    .venv/bin/stestr run $(TEST)

test: setup
	$(PYTHON3) tools/run_tests.py

bench: setup
	[ ! -e .lab/bench ] || $(PYTHON3) -m lab --state .lab/bench down --purge
	$(PYTHON3) -m bench --state .lab/bench \
	    --out doc/source/figures --readme README.rst

faults: setup
	$(PYTHON3) -m faults --state .lab/faults --hosts 2 --purge

storm: setup
	$(PYTHON3) -m faults.storm --state .lab/storm

# STEPS=uploads, volumes or locations runs a part of it.
tempest: setup
	$(PYTHON3) tools/run_tempest.py $(STEPS)

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
