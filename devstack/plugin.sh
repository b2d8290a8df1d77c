#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The devstack plugin: calls the functions of lib/cinder-rbd-offload, which
# settings has read, in the phases of stack.sh. Nothing is left for unstack.sh
# and clean.sh: it has no process, and clean.sh leaves packages where they are.

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

    elif [[ "$1" == "stack" && "$2" == "test-config" ]]; then
        if is_service_enabled tempest; then
            echo_summary "Configuring Tempest for cinder-rbd-offload"
            configure_tempest_cinder_rbd_offload
        fi
    fi
fi
