#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Stand-ins for what the plugin uses of devstack, where there is none.
#
# shellcheck disable=SC2034

declare -A GITDIR
CINDER_BACKENDS=$STATE/lib/cinder_backends

function trueorfalse {
    local value=${!2:-$1}
    echo "${value^}"
}

function is_service_enabled {
    local service
    for service in "$@"; do
        case $service in
            nova) service=n- ;;
            *) service=$service, ;;
        esac
        [[ ",$ENABLED_SERVICES," == *",$service"* ]] && return 0
    done
    return 1
}

function function_exists {
    declare -f -F "$1" >/dev/null
}

function define_plugin {
    :
}

function plugin_requires {
    :
}

function echo_summary {
    echo "$@"
}

function warn {
    echo "[WARNING] $2"
}

function die {
    shift
    echo "[ERROR] $*"
    exit 1
}

# iniset file section option value
function iniset {
    touch "$1"
    awk -v section="[$2]" -v option="$3" -v value="$4" '
        function put() {
            if (inside && !done) {
                print option " = " value
                done = 1
            }
        }
        /^\[/ { put(); inside = ($0 == section) }
        inside && index($0, option " =") == 1 { put(); next }
        { print }
        END {
            put()
            if (!done) print section "\n" option " = " value
        }
    ' "$1" >"$1.new"
    mv "$1.new" "$1"
}

# iniget file section option
function iniget {
    awk -v section="[$2]" -v option="$3" '
        /^\[/ { inside = ($0 == section) }
        inside && index($0, option " =") == 1 { sub(/^[^=]*= */, ""); print }
    ' "$1"
}

# ini_has_option file section option
function ini_has_option {
    awk -v section="[$2]" -v option="$3" '
        /^\[/ { inside = ($0 == section) }
        inside && index($0, option " =") == 1 { found = 1 }
        END { exit !found }
    ' "$1"
}

function setup_develop {
    if [[ "$1" == -bindep ]]; then
        shift
        install_bindep "$1/bindep.txt"
    fi
    pip_install -e "$1"
}

function enable_plugin {
    PLUGINS+=" $1"
}

# run_phase mode [phase]
function run_phase {
    local plugin dir
    # As extras.d/80-tempest.sh does.
    if [[ "$*" == "stack test-config" ]] && is_service_enabled tempest; then
        configure_tempest
    fi
    for plugin in $PLUGINS; do
        dir=${GITDIR[$plugin]}/devstack
        case $1 in
            override_defaults) dir+=/override-defaults ;;
            source) dir+=/settings ;;
            *) dir+=/plugin.sh ;;
        esac
        # shellcheck disable=SC1090
        source "$dir" "$@"
    done
}

# The libraries: what they write that concerns the plugin.

function configure_cinder {
    local one name names=''
    for one in ${CINDER_ENABLED_BACKENDS//,/ }; do
        name=${one##*:}
        if function_exists "configure_cinder_backend_${one%%:*}"; then
            "configure_cinder_backend_${one%%:*}" "$name"
        fi
        names+=${names:+,}$name
    done
    iniset "$CINDER_CONF" DEFAULT enabled_backends "$names"
    iniset "$CINDER_CONF" DEFAULT default_volume_type "${names%%,*}"
    iniset "$CINDER_CONF" service_user username cinder
}

function configure_glance {
    iniset "$GLANCE_API_CONF" keystone_authtoken username glance
}

function configure_cinder_backend_ceph {
    iniset "$CINDER_CONF" "$1" volume_backend_name "$1"
    iniset "$CINDER_CONF" "$1" volume_driver \
        cinder.volume.drivers.rbd.RBDDriver
    iniset "$CINDER_CONF" "$1" rbd_ceph_conf "$CEPH_CONF_FILE"
    iniset "$CINDER_CONF" "$1" rbd_pool "$CINDER_CEPH_POOL"
    iniset "$CINDER_CONF" "$1" rbd_user "$CINDER_CEPH_USER"
}

# devstack has it in a file that lib/cinder sources for the type ceph only.
mkdir -p "$CINDER_BACKENDS"
declare -f configure_cinder_backend_ceph >"$CINDER_BACKENDS/ceph"
if [[ ",${CINDER_ENABLED_BACKENDS:-}" != *,ceph* ]]; then
    unset -f configure_cinder_backend_ceph
fi
