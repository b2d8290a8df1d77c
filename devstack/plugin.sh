#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The devstack plugin: calls the functions of lib/cinder-rbd-offload in the
# phases of stack.sh, unstack.sh and clean.sh.

# clean.sh reads no settings.
CINDER_RBD_OFFLOAD_DIR=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/..")
# shellcheck source=devstack/lib/cinder-rbd-offload
source "$CINDER_RBD_OFFLOAD_DIR/devstack/lib/cinder-rbd-offload"

if is_cinder_rbd_offload_enabled; then
    if [[ "$1" == "stack" && "$2" == "pre-install" ]]; then
        check_cinder_rbd_offload_settings

    elif [[ "$1" == "stack" && "$2" == "install" ]]; then
        echo_summary "Installing cinder-rbd-offload"
        install_cinder_rbd_offload

    elif [[ "$1" == "stack" && "$2" == "post-config" ]]; then
        echo_summary "Configuring cinder-rbd-offload"
        configure_cinder_rbd_offload

    elif [[ "$1" == "stack" && "$2" == "extra" ]]; then
        echo_summary "Examining cinder-rbd-offload"
        examine_cinder_rbd_offload

    elif [[ "$1" == "unstack" ]]; then
        # It has no process of its own.
        :

    elif [[ "$1" == "clean" ]]; then
        cleanup_cinder_rbd_offload
    fi
fi
