# SPDX-License-Identifier: Apache-2.0
"""Who may say it: keys, signatures and identities, the root of trust (A1).

Keeps: private keys stay inside a unit; nobody outside this room touches a primitive.
"""
