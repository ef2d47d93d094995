# SPDX-License-Identifier: Apache-2.0
"""TLS 1.3 between connectors: both sides show a certificate of an enrolled key.

Keeps: 1. TLS 1.3 only, both sides authenticated, no session is resumed: every connection shows its
key again. 2. Peers are the enrolled keys, nobody else; system certificates are not looked at.
3. The private key of a session certificate is handed to the library through memory, never a file.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable
from typing import Final

__all__ = ["context_of", "reason_of"]

_PLAIN_REASONS: Final = frozenset(
    {"HTTP_REQUEST", "WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG"}
)
_PEER_REASONS: Final = frozenset(
    {
        "CERTIFICATE_VERIFY_FAILED",
        "PEER_DID_NOT_RETURN_A_CERTIFICATE",
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "TLSV1_ALERT_UNKNOWN_CA",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    }
)


def context_of(
    certificate: bytes, private_key: bytes, anchors: Iterable[bytes], *, server: bool
) -> ssl.SSLContext:
    """A context for one side.

    Args:
        certificate: this side's certificate in PEM.
        private_key: its key in PEM.
        anchors: one certificate (PEM) for each enrolled key.
        server: whether this side accepts.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # the key is the name
    context.verify_mode = ssl.CERT_REQUIRED
    if server:
        context.num_tickets = 0
    trusted = b"".join(anchors)
    if trusted:
        context.load_verify_locations(cadata=trusted.decode("ascii"))
    file = os.memfd_create("kizuna-connector", os.MFD_CLOEXEC)
    try:
        os.write(file, certificate + private_key)
        context.load_cert_chain(f"/proc/self/fd/{file}")
    finally:
        os.ftruncate(file, 0)
        os.close(file)
    return context


def reason_of(fault: ssl.SSLError) -> str:
    """Why a handshake failed, by the name under which it is counted."""
    reason = (fault.reason or "").replace(" ", "_").upper()
    if reason in _PLAIN_REASONS:
        return "not-tls"
    if reason in _PEER_REASONS or isinstance(fault, ssl.SSLCertVerificationError):
        return "unknown-peer"
    return "handshake-failed"
