# SPDX-License-Identifier: Apache-2.0
"""Keys and signatures: public keys as values, checking, and the private keys of units.

Keeps: a key has one spelling and one name (RFC 9679 thumbprint), weak keys are refused on the way
in, and the algorithm of a check is the key's own.
"""

from kizuna.roots.keys.algorithm import Algorithm, algorithm_named
from kizuna.roots.keys.private import PrivateKey
from kizuna.roots.keys.public import PublicKey
from kizuna.roots.keys.verification import (
    Check,
    forget,
    from_der,
    to_der,
    verify,
    verify_many,
)

__all__ = [
    "Algorithm",
    "Check",
    "PrivateKey",
    "PublicKey",
    "algorithm_named",
    "forget",
    "from_der",
    "to_der",
    "verify",
    "verify_many",
]
