# SPDX-License-Identifier: Apache-2.0
"""Same cluster: the data stays."""
