# SPDX-License-Identifier: Apache-2.0
"""The devstack plugin, run phase by phase.

With ``DEVSTACK_DIR`` in the environment, the name of a checkout of devstack,
its own functions and libraries are around the plugin, and with
``DEVSTACK_PLUGIN_CEPH_DIR`` also the real plugin for Ceph. Without them small
stand-ins are. What would change the machine is written down instead of done.
"""
