# SPDX-License-Identifier: Apache-2.0
"""The MQTT door: devices and gateways that speak through a broker.

===========================  ============  =====================================================
topic                        from          content
===========================  ============  =====================================================
``kizuna/epoch``             verifier      the signed epoch, retained; renewed every minute
``kizuna/evidence/ID/N``     device        CBOR as at ``POST /api/devices/evidence``
``kizuna/bundle/ID/N``       gateway       CBOR as at ``POST /api/devices/bundle``
``kizuna/opening/ID/N``      gateway       CBOR as at ``POST /api/devices/opening``
``kizuna/answer/ID/N``       verifier      ``[true, answer]`` or ``[false, problem code]``
===========================  ============  =====================================================

``ID`` names the sender's connection (letters, digits, ``-_.``, at most 64) and ``N`` its message;
both only lead the answer back. Whoever may publish where is the broker's to say; what counts is the
signature inside.

Keeps: the door translates and decides nothing; a message that cannot be read costs its sender an
answer, and nobody else anything.
"""

from __future__ import annotations

__all__ = ["ANSWER", "EPOCH", "TOPICS"]

EPOCH = "kizuna/epoch"
ANSWER = "kizuna/answer"
TOPICS = ("evidence", "bundle", "opening")
