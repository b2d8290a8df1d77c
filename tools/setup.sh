#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes this machine ready for the lab and the tests: the packages of
# bindep.txt, and a virtual environment in .venv. What is there stays.
#
# PYTHON names the distribution's interpreter, the one that its packages of
# rados and rbd are for.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-/usr/bin/python3}
REQUIREMENTS='requirements.txt test-requirements.txt doc/requirements.txt
    lab/requirements.txt'

say() { echo "==> $*"; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# Install packages without letting any of them start a service: the lab runs
# its own, and a second RabbitMQ on every address would be no service to you.
install_packages() {
    say "installing system packages: $*"
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
        trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    as_root apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "$@"
}

command -v apt-get >/dev/null || {
    echo "the lab runs on Debian and its kin: there is no apt-get here" >&2
    exit 1
}
"$PYTHON" -c 'import ensurepip' 2>/dev/null || install_packages python3-venv
[ -x .venv/bin/pip ] || {
    say "making .venv with $PYTHON"
    "$PYTHON" -m venv --clear .venv
}
[ -x .venv/bin/bindep ] || .venv/bin/pip install -q bindep
# bindep exits with 1 when it names missing packages.
missing=$(.venv/bin/bindep -b lab || true)
# shellcheck disable=SC2086
[ -z "$missing" ] || install_packages $missing

PYTHON="$PYTHON" tools/link_ceph.sh .venv

# shellcheck disable=SC2086
wanted=$(cat $REQUIREMENTS setup.cfg | sha256sum)
if [ "$wanted" != "$(cat .venv/installed 2>/dev/null)" ]; then
    say "installing Python packages into .venv"
    # shellcheck disable=SC2046,SC2086
    .venv/bin/pip install -q $(printf -- '-r %s ' $REQUIREMENTS) -e .
    echo "$wanted" >.venv/installed
fi
