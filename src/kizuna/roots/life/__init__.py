# SPDX-License-Identifier: Apache-2.0
"""Keys over a device's life: made, handed over, renewed, lost, ended; each step a statement.

Keeps: what a step is called and which statement carries it stands in ``words``; what a row of them
comes to in ``history``; how vouchers and certificates of others are read in ``voucher`` and
``certificates``.
"""

from kizuna.roots.life.certificates import (
    DevId,
    ShortLived,
    anchor_for,
    certified_key,
    check_idevid,
    issue_short_lived,
    pinned_certificate,
    read_certificates,
)
from kizuna.roots.life.history import (
    Answer,
    Binding,
    DeviceLife,
    End,
    Flag,
    Offer,
    Ownership,
)
from kizuna.roots.life.voucher import Voucher, open_voucher, read_voucher, sign_voucher
from kizuna.roots.life.words import (
    HANDOVER,
    IDEVID,
    LDEVID,
    RETIREMENT,
    VOUCHER,
    Assertion,
    Ending,
    end_binding,
    handover,
    idevid,
    ldevid,
    retirement,
    voucher_claim,
)

__all__ = [
    "HANDOVER",
    "IDEVID",
    "LDEVID",
    "RETIREMENT",
    "VOUCHER",
    "Answer",
    "Assertion",
    "Binding",
    "DevId",
    "DeviceLife",
    "End",
    "Ending",
    "Flag",
    "Offer",
    "Ownership",
    "ShortLived",
    "Voucher",
    "anchor_for",
    "certified_key",
    "check_idevid",
    "end_binding",
    "handover",
    "idevid",
    "issue_short_lived",
    "ldevid",
    "open_voucher",
    "pinned_certificate",
    "read_certificates",
    "read_voucher",
    "retirement",
    "sign_voucher",
    "voucher_claim",
]
