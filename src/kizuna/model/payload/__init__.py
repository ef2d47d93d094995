# SPDX-License-Identifier: Apache-2.0
"""Payloads: what our own kinds of statement say, one file a noun.

Keeps: 1. A payload decodes to a frozen typed value or is refused: unknown members are an error,
because a misspelt ``valid_until`` must not become "for ever" (``ext`` is the place for more).
2. No floats; integers within ±2^53; times are RFC 3339 with a zone. 3. Every identifier in a
payload is canonical already (``identifiers_of`` lists them, the intake checks them). 4. The JSON
Schemas that we publish are generated from these types.
"""

from kizuna.model.payload.claim import Claim, Reference, Scalar
from kizuna.model.payload.codec import (
    Payload,
    decode_payload,
    encode_payload,
    identifiers_of,
    payload_type,
    schemas,
)
from kizuna.model.payload.link import Described, Link, Links
from kizuna.model.payload.membership import Membership, Service, Standing
from kizuna.model.payload.norm import Norm
from kizuna.model.payload.notice import Notice
from kizuna.model.payload.status import Action, Status, Target
from kizuna.model.payload.terms import Level, Name, Severity, Text, seconds
from kizuna.model.payload.verdict import PublishedVerdict
from kizuna.model.payload.waiver import Waiver

__all__ = [
    "Action",
    "Claim",
    "Described",
    "Level",
    "Link",
    "Links",
    "Membership",
    "Name",
    "Norm",
    "Notice",
    "Payload",
    "PublishedVerdict",
    "Reference",
    "Scalar",
    "Service",
    "Severity",
    "Standing",
    "Status",
    "Target",
    "Text",
    "Waiver",
    "decode_payload",
    "encode_payload",
    "identifiers_of",
    "payload_type",
    "schemas",
    "seconds",
]
