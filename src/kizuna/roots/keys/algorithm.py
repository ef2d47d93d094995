# SPDX-License-Identifier: Apache-2.0
"""The signature algorithms that are understood, under their COSE and JOSE names.

Keeps: an algorithm is a property of the key, never a wish of the message: what a header names is
compared with the key's algorithm and otherwise without effect.
Standard: RFC 9053, RFC 8230 (RSASSA-PSS), RFC 9864 (fully specified names, read as synonyms).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from kizuna.model.errors import Malformed

__all__ = ["Algorithm", "algorithm_named"]


class Algorithm(IntEnum):
    """A signature algorithm by its COSE number."""

    ES256 = -7
    EDDSA = -8
    ES384 = -35
    ES512 = -36
    PS256 = -37
    PS384 = -38
    PS512 = -39

    @property
    def jose_name(self) -> str:
        """The ``alg`` of JWS."""
        return "EdDSA" if self is Algorithm.EDDSA else self.name

    def answers_to(self, number: int) -> bool:
        """Whether a header that names ``number`` means this algorithm."""
        return number == self.value or _SYNONYMS.get(number) == self


_SYNONYMS: Final = {
    -9: Algorithm.ES256,  # ESP256
    -19: Algorithm.EDDSA,  # Ed25519
    -51: Algorithm.ES384,  # ESP384
    -52: Algorithm.ES512,  # ESP512
}
_JOSE: Final = {algorithm.jose_name: algorithm for algorithm in Algorithm} | {
    "Ed25519": Algorithm.EDDSA
}


def algorithm_named(name: str) -> Algorithm:
    """The algorithm under its JOSE name.

    Raises:
        Malformed: ``key.algorithm-unknown``; ``none`` and the shared-secret algorithms are unknown
            here on purpose.
    """
    found = _JOSE.get(name)
    if found is None:
        raise Malformed(
            "key.algorithm-unknown",
            f"signature algorithm not supported: {name[:40]!r}",
            hint="sign with " + ", ".join(sorted(_JOSE)),
            algorithm=name[:40],
        )
    return found
