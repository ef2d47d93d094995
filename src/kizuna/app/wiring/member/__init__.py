# SPDX-License-Identifier: Apache-2.0
"""A member of a store elsewhere: joining it, saying there, asking of it."""
