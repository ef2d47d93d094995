# SPDX-License-Identifier: Apache-2.0
"""The standing of many devices: who is well, who is silent, who changed, and who says so.

Keeps: pure. Appraisals and time come in, changes of standing and alarms go out; nothing here reads
a file, a socket or a clock.
"""

from kizuna.proof.attestation.fleet.alarm import TAMPERING, Alarm, Event, effect_of
from kizuna.proof.attestation.fleet.epoch import EPOCH, Epochs
from kizuna.proof.attestation.fleet.fleet import Fleet, Rules, Standing
from kizuna.proof.attestation.fleet.register import ENDED, GATEWAY, OBSERVED, Register

__all__ = [
    "ENDED",
    "EPOCH",
    "GATEWAY",
    "OBSERVED",
    "TAMPERING",
    "Alarm",
    "Epochs",
    "Event",
    "Fleet",
    "Register",
    "Rules",
    "Standing",
    "effect_of",
]
