#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Tries the package on releases of Cinder from PyPI.
#
#   tools/try_cinder.sh [--alone] [VERSION...]
#
# Each gets an empty virtual environment, build/try-VERSION, with the wheel of
# this checkout beside it: the driver is loaded, the sample of the options is
# written, the commands are called without rados and rbd, and the driver's unit
# tests and Cinder's own tests of its RBD driver are run, on eventlet as Cinder
# runs. With --alone only Cinder itself is installed, into a folder, and the
# rest is that of the environment that PYTHON belongs to.
#
# PYTHON names the interpreter (default: python3), and TOX_CONSTRAINTS_FILE the
# upper constraints of the release, if any.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
TESTS=cinder_rbd_offload.tests
# Not all of test_driver_journal: an interruption ends eventlet's threads, too.
ON_EVENTLET="$TESTS.unit.test_driver $TESTS.unit.test_driver_stream
    $TESTS.unit.test_driver_swift $TESTS.unit.test_driver_metrics
    $TESTS.unit.test_user_messages $TESTS.unit.test_identity
    $TESTS.unit.test_driver_journal.SetupTestCase
    $TESTS.unit.test_driver_journal.StageTestCase
    $TESTS.upstream.test_rbd"
# What these import besides the package and Cinder.
TEST_TOOLS='ddt fixtures oslotest requests-mock testtools'

alone=
if [ "${1:-}" = --alone ]; then
    alone=yes
    shift
fi
[ $# -gt 0 ] || set -- 27.0.0 28.0.0 29.0.0

install() {
    "$python" -m pip install -q \
        ${TOX_CONSTRAINTS_FILE:+-c "$TOX_CONSTRAINTS_FILE"} "$@"
}

# Run tests in a folder without this checkout, so that the wheel is tried.
run() {
    (cd "$place/empty" && PYTHONWARNINGS=ignore OS_TEST_TIMEOUT=60 "$@")
}

failed=
found_path=${PYTHONPATH:-}
for version in "$@"; do
    export PYTHONPATH="$found_path"
    echo "==> Cinder $version"
    place=$PWD/build/try-$version
    rm -rf "$place"
    mkdir -p "$place/empty"
    if [ "$alone" ]; then
        python=$PYTHON
        install --no-deps --no-compile --target "$place/cinder" \
            "cinder==$version"
        export PYTHONPATH="$place/cinder:$PWD"
    else
        "$PYTHON" -m venv "$place/venv"
        python=$place/venv/bin/python
        "$python" -m pip wheel -q --no-deps -w "$place" .
        # shellcheck disable=SC2086
        install "$(echo "$place"/*.whl)[cinder,glance_store]" \
            "cinder==$version" $TEST_TOOLS
        run "$python" -c 'import cinder_rbd_offload.driver'
        run "$place/venv/bin/oslo-config-generator" \
            --namespace cinder_rbd_offload >"$place/sample.conf"
        echo "options in the sample:" \
            "$(grep -c '^#rbd_offload_\|^#image_upload_' "$place/sample.conf")"
        run "$place/venv/bin/rbd-offload" --version
        cat >"$place/cinder.conf" <<'EOF'
[DEFAULT]
enabled_backends = ceph
[ceph]
volume_driver = cinder_rbd_offload.driver.RBDOffloadDriver
EOF
        run "$place/venv/bin/rbd-offload" doctor \
            --config-file "$place/cinder.conf" \
            | grep -o 'packages python3-rados and python3-rbd'
        # The tests bring a cluster of their own, but Cinder's driver refuses
        # to be set up where the modules cannot be imported.
        mkdir "$place/modules"
        touch "$place/modules/rados.py"
        printf 'RBD_FEATURE_%s = %s\n' LAYERING 1 EXCLUSIVE_LOCK 4 \
            OBJECT_MAP 8 FAST_DIFF 16 JOURNALING 64 >"$place/modules/rbd.py"
        export PYTHONPATH="$place/modules${PYTHONPATH:+:$PYTHONPATH}"
    fi
    run "$python" -m unittest -q "$TESTS.unit.test_seams" || failed=yes
    # shellcheck disable=SC2086
    run "$python" -c '
import sys
import unittest

import cinder.tests.unit  # Has the process use eventlet.

unittest.main(module=None, argv=["try_cinder", "-q", *sys.argv[1:]])
' $ON_EVENTLET || failed=yes
done
[ -z "$failed" ]
