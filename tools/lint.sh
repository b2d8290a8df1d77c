#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Checks style, OpenStack's conventions, types and documents. Wants the tools
# of test-requirements.txt in PATH.
set -u
cd "$(dirname "$0")/.." || exit
failed=0
# Every file that begins as a shell script does.
SHELL_SCRIPTS=$(git grep -l -E '^#!.*[/ ](ba)?sh$' -- ':!*.py' ':!*.rst')

check() {
    echo "==> $*"
    "$@" || failed=1
}

check ruff check
check ruff format --check
check flake8
check mypy
# shellcheck disable=SC2086
check bashate $SHELL_SCRIPTS
# shellcheck disable=SC2086
check shellcheck -x $SHELL_SCRIPTS
check doc8 -q README.rst doc/source releasenotes/notes
check sphinx-build -W -q -b html doc/source doc/build/html
# reno reads every commit, which a shallow clone has not.
[ "$(git rev-parse --is-shallow-repository)" = true ] || check reno -q lint
exit $failed
