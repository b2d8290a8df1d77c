# SPDX-License-Identifier: Apache-2.0
"""The door for operators: the commands.

Two of the doctor's judgements are here, in ``route`` and ``swift``: they rest
on ``offload`` and ``upload``, and rooms such as ``doctor`` know of no others.
"""
