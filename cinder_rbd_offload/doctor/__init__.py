# SPDX-License-Identifier: Apache-2.0
"""Judges whether uploads can stay in the cluster, and says what to do.

What was seen comes in; findings go out. Nothing here asks anybody.
"""
