# SPDX-License-Identifier: Apache-2.0
"""What the uploads of a back end come to, for its operator."""
