# SPDX-License-Identifier: Apache-2.0
"""Which standard is this list written in? The one place that names the readers.

Keeps: a file is told apart by its first character, and read by one reader alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from kizuna.app.wiring.files import read_file
from kizuna.record.lists.etsi602 import MAX_LIST, read_lote
from kizuna.record.lists.etsi612 import read_trusted_list
from kizuna.record.lists.foreign import ForeignList
from kizuna.roots.certified import certificate_key
from kizuna.roots.keys import PublicKey
from kizuna.roots.life.certificates import read_certificates

__all__ = ["load_list", "read_list", "signers"]


def read_list(
    data: bytes,
    *,
    keys: Sequence[PublicKey],
    certificates: Sequence[bytes],
    now: int,
    address: str = "",
) -> ForeignList:
    """A list in any of the standards that are read, its signature checked.

    Raises:
        Malformed: ``list.foreign-malformed``. Tampered: ``list.signature-wrong`` and others.
    """
    if data[:4].lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"<":
        return read_trusted_list(
            data, certificates=tuple(certificates), now=now, address=_named(address)
        )
    return read_lote(data, keys=keys, certificates=certificates, now=now, address=_named(address))


def load_list(address: str) -> bytes:
    """The bytes of a file or http(s) address, bounded.

    Raises:
        Absent: ``file.absent``, ``request.absent``. Unavailable: ``file.unreadable``,
        ``request.*``. Malformed: ``file.too-large``.
    """
    if address.startswith(("https://", "http://")):
        from kizuna.app.wiring.network import fetch

        return fetch(address, {"accept": "application/jose, application/xml"}, limit=MAX_LIST)
    return read_file(address, limit=MAX_LIST)


def signers(
    keys: Sequence[bytes], certificates: Sequence[bytes]
) -> tuple[tuple[PublicKey, ...], tuple[bytes, ...]]:
    """Keys (JWK or PEM) and certificates (PEM or DER) from the files that a person named.

    Raises:
        Malformed: ``key.*``, ``life.certificate``.
    """
    from kizuna.roots.strict_json import read_object

    public = tuple(
        PublicKey.from_pem(data)
        if b"-----BEGIN PUBLIC" in data
        else PublicKey.from_jwk(read_object(data, "key.not-jwk", 1 << 16))
        for data in keys
    )
    pinned = tuple(der for data in certificates for der in read_certificates(data))
    for der in pinned:
        certificate_key(der)  # a certificate whose key nobody here checks would never match
    return public, pinned


def _named(address: str) -> str:
    """A file's name is no name of a list."""
    return address if address.startswith(("https://", "http://")) else ""
