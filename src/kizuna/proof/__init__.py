# SPDX-License-Identifier: Apache-2.0
"""Making trust (A2, A3): an observation or a document goes in, statements come out."""
