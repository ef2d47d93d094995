# SPDX-License-Identifier: Apache-2.0
"""Gateways: what stands before something that cannot guard itself."""
