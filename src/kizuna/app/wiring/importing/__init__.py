# SPDX-License-Identifier: Apache-2.0
"""From documents to registered statements."""
