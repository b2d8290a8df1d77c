# SPDX-License-Identifier: Apache-2.0
"""Another store: the data moves once, and is never published wrong."""
