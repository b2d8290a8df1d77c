#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Links the distribution's rados and rbd, which are on no package index, into a
# virtual environment. That stays closed to the distribution's other packages:
# they are too old to stand beside those of an index.
#
#   tools/link_ceph.sh ENVIRONMENT
#
# PYTHON names the distribution's interpreter, the one that the environment was
# made with.
set -eu
PYTHON=${PYTHON:-/usr/bin/python3}

for module in rados rbd; do
    file=$("$PYTHON" -c "import $module; print($module.__file__)") || {
        echo "$PYTHON cannot import $module: install python3-$module, or" \
            "set PYTHON to the interpreter that it is for" >&2
        exit 1
    }
    ln -sf "$file" "$1"/lib/python3*/site-packages/
done
