# SPDX-License-Identifier: Apache-2.0
"""Cinder volumes become Glance images without leaving their Ceph cluster."""
