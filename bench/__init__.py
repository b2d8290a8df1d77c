# SPDX-License-Identifier: Apache-2.0
"""Upstream's upload and ours side by side, in one run on one lab.

::

    make bench            everything, on a lab of its own
    python -m bench -h    what can be chosen

Two things are measured. Whole uploads, through Cinder's and Glance's APIs
(:mod:`bench.endtoend`); and the step that makes the image's data, alone,
against the ``rbd`` command and librbd's own copy (:mod:`bench.materialise`).
All sides of a comparison take turns within each round, so that what disturbs
the machine disturbs them alike.
"""
