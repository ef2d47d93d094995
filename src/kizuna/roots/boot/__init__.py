# SPDX-License-Identifier: Apache-2.0
"""How a device started, as far as cryptography can say: quotes, event logs, layers, manifests.

Keeps: everything here comes from strangers, so each decoder is bounded and each answer is either a
value or a named fault; whom to trust is handed in, never looked up.

========== =========================================================================
``quote``   what a TPM signed about its registers, and whether it fits the question
``public``  keys as a TPM spells them, their names, and proof that two live together
``eventlog`` what was measured: replayed to registers, and the first event that does not fit
``dice``    certificate chains from one boot layer to the next, X.509 and CBOR
``suit``    signed firmware manifests: verified, and carried out on a small interpreter
========== =========================================================================
"""
