#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Stand-in for devstack-plugin-ceph's.

if [[ "$1 $2" == "stack post-config" ]]; then
    configure_ceph
fi
