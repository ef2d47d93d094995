# SPDX-License-Identifier: Apache-2.0
"""The schemes: one folder a class of device, one line here."""
