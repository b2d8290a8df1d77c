# SPDX-License-Identifier: Apache-2.0
"""Proof that a fault loses nothing: the real services are killed in a lab.

Uploads run in a lab of the real services while one of these is killed, stopped
or frozen, at a boundary between two steps of the driver or at a random time.
After each round both pools, both trashes, the manager's tasks, the journal,
Glance, Cinder and Keystone are looked through::

    python -m faults --state .lab/faults --rounds 200

Every round follows from its seed, which it prints, so that it can be run
again.
"""
