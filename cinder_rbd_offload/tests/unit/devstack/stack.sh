#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Plays stack.sh, unstack.sh or clean.sh, as far as the plugin has a part.
#
#   stack.sh stack|unstack|clean
#
# ROOT is our repository, and STATE a folder for what is written; the calls
# that would change the machine stand in STATE/calls, one on a line. PLUGINS_ON
# names the plugins that local.conf enables.
#
# shellcheck disable=SC1090,SC1091,SC2034,SC2154
set -o errexit

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
HOME=$STATE
DEST=$STATE/opt
DATA_DIR=$STATE/data
STACK_USER=$(id -un)
GLOBAL_VENV=True
DEVSTACK_VENV=$STATE
DEVSTACK_PLUGINS=
ENABLED_SERVICES=${ENABLED_SERVICES:-key,g-api,c-api,c-vol,n-cpu,tempest}
SERVICE_HOST=127.0.0.1
HOST_IP=127.0.0.1
SERVICE_PASSWORD=secret
SERVICE_DOMAIN_NAME=Default
SERVICE_PROJECT_NAME=service

function record {
    printf '%s' "$1" >>"$STATE/calls"
    shift
    printf '\t%s' "$@" >>"$STATE/calls"
    echo >>"$STATE/calls"
}

# Have functions only write down that they were called.
function silence {
    local name
    for name in "$@"; do
        eval "function $name { record $name \"\$@\"; }"
    done
}

# Whatever runs a program that we did not think of ends here.
mkdir -p "$STATE/bin" "$STATE/etc" "$DEST"
for program in sudo cephadm curl openstack podman rbd-offload systemctl; do
    {
        echo '#!/bin/bash'
        declare -f record
        echo "record $program \"\$@\""
    } >"$STATE/bin/$program"
    chmod +x "$STATE/bin/$program"
done
echo "exit ${DOCTOR_RESULT:-0}" >>"$STATE/bin/rbd-offload"
# VOLUME_TYPES names those that are there already.
# shellcheck disable=SC2016
echo '[[ "$*" != *" type show "* || " $VOLUME_TYPES " == *" ${*: -1} "* ]]' \
    >>"$STATE/bin/openstack"
PATH=$STATE/bin:$PATH
export STATE VOLUME_TYPES

if [[ -n "${DEVSTACK_DIR:-}" ]]; then
    TOP_DIR=$DEVSTACK_DIR
    FILES=$TOP_DIR/files
    source "$TOP_DIR/functions"
else
    source "$HERE/functions.sh"
fi
silence pip_install install_package install_bindep \
    run_process git_clone restart_service start_service stop_service

function echo_summary {
    echo "$@"
}

for plugin in ${PLUGINS_ON-devstack-plugin-ceph cinder-rbd-offload}; do
    enable_plugin "$plugin" none
done
GITDIR[cinder-rbd-offload]=$ROOT
GITDIR[devstack-plugin-ceph]=${DEVSTACK_PLUGIN_CEPH_DIR:-$HERE/ceph}

[[ "$1" == clean ]] || run_phase override_defaults
if [[ -n "${DEVSTACK_DIR:-}" ]]; then
    for library in database rpc_backend apache tls keystone; do
        source "$TOP_DIR/lib/$library"
    done
    for library in glance nova cinder; do
        source "$TOP_DIR/lib/$library"
    done
    source "$HERE/libraries.sh"
fi
CINDER_BIN_DIR=$STATE/bin
CINDER_CONF=$STATE/etc/cinder.conf
GLANCE_API_CONF=$STATE/etc/glance-api.conf
GLANCE_MULTISTORE_FILE_IMAGE_DIR=$DATA_DIR/glance
NOVA_CONF=$STATE/etc/nova.conf
run_phase source
# What of Tempest is no matter of configuration.
TEMPEST_CONFIG=$STATE/etc/tempest.conf
silence async_runfunc async_wait configure_tempest install_tempest_plugins
# What of the plugin for Ceph reaches for a cluster.
silence install_ceph get_cephadm client_config import_libvirt_secret_ceph \
    disable_cephadm cleanup_ceph
CEPHADM=cephadm

function phase {
    record phase "$@"
    run_phase "$@"
}

case $1 in
    stack)
        phase stack pre-install
        configure_glance
        configure_cinder
        phase stack install
        phase stack post-config
        phase stack extra
        phase stack test-config
        ;;
    *)
        phase "$1"
        ;;
esac
echo "CINDER_ENABLED_BACKENDS=$CINDER_ENABLED_BACKENDS"
