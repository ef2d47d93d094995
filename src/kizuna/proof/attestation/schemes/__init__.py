# SPDX-License-Identifier: Apache-2.0
"""The schemes: one folder a class of device, one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kizuna.proof.attestation.schemes.dice import Dice
from kizuna.proof.attestation.schemes.hmac import Hmac
from kizuna.proof.attestation.schemes.observed import Observed
from kizuna.proof.attestation.schemes.psa import Psa
from kizuna.proof.attestation.schemes.tpm import Tpm

if TYPE_CHECKING:
    from kizuna.proof.attestation.scheme import Scheme

__all__ = ["SCHEMES"]

SCHEMES: Final[tuple[Scheme, ...]] = (
    Dice(),
    Hmac(),
    Observed(),
    Psa(),
    Tpm(),
)
"""Every scheme, each named once."""
