# SPDX-License-Identifier: Apache-2.0
"""The whole image path on one machine, as plain processes on 127.0.0.1.

Ceph, RabbitMQ, Keystone, Glance, Cinder and Swift, the real ones, configured
as the deployment guides say and as small as they go::

    python -m lab up        start it, or what of it is not running
    python -m lab status    what runs, and the end of the log of what died
    python -m lab env       what a client needs, for eval or an .ini
    python -m lab down      end every process that ``up`` started

Everything lives in one state folder (``--state``, by default
``.lab/default``): one folder a service with its configuration, data and log.
The ports are chosen once and remembered there, so several labs run side by
side.
"""
