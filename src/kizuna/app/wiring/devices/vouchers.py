# SPDX-License-Identifier: Apache-2.0
"""A device finds its owner (BRSKI): it asks, the owner's registrar forwards, its maker answers.

::

    device      request   signed with its IDevID, names the registrar it sees and a nonce
    registrar   forward   the device's request inside, signed with the registrar's key
    maker       issue     a voucher for exactly that nonce and registrar, and a claim in its log
    device      check     the voucher answers its own request

Keeps: 1. The maker gives away only devices that its own log knows by that key, and each nonce is
answered once. 2. What was issued stands in the maker's log as ``ownership-voucher``: it cannot be
issued silently, and it is part of the device's life. 3. Who gets the device is who holds the
registrar's key: the device said it sees that one. 4. Nothing here opens a connection.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from kizuna.app.wiring.devices.handover import transfer
from kizuna.app.wiring.devices.life import Lives
from kizuna.app.wiring.folder import write_whole
from kizuna.model.errors import Malformed, Refused
from kizuna.model.identifier import canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Claim, Status, Target

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.roots.life.voucher_request import VoucherRequest

__all__ = ["ask", "check", "forward", "issue", "issued", "registrar_certificate"]


def ask(key: bytes, chain: list[bytes], registrar: bytes, now: int) -> bytes:
    """On the device: a request, signed with its IDevID.

    Args:
        key: its private key (PEM).
        chain: its IDevID certificate, then those that issued it (PEM or DER).
        registrar: the certificate of the registrar it speaks with.
        now: seconds since 1970.

    Raises:
        Malformed: ``key.malformed``, ``life.certificate``, ``life.request-key``.
    """
    from kizuna.roots.keys import PrivateKey
    from kizuna.roots.life import read_certificates
    from kizuna.roots.life.certificates import serial_of
    from kizuna.roots.life.voucher_request import VoucherRequest, certificate_key, sign_request
    from kizuna.roots.units import EphemeralUnit

    certificates = [one for data in chain for one in read_certificates(data)]
    private = PrivateKey.from_pem(key)
    if not certificates or certificate_key(certificates[0]) != private.public:
        raise Malformed(
            "life.request-key",
            "the key is not that of the device's certificate",
            hint="give the key and the certificate that the maker put into this device",
        )
    serial, issuer = serial_of(certificates[0])
    request = VoucherRequest(
        created_on=now,
        serial_number=serial,
        nonce=secrets.token_bytes(16),
        idevid_issuer=issuer,
        proximity_registrar_cert=read_certificates(registrar)[0],
    )
    unit = EphemeralUnit()
    return sign_request(unit, unit.adopt(private, "idevid"), request, certificates)


def registrar_certificate(workspace: Workspace) -> bytes:
    """This organisation's certificate as a registrar (DER); made once, so that devices pin it."""
    from kizuna.roots.life import pinned_certificate
    from kizuna.roots.life.voucher_request import certificate_key

    path = workspace.path / "fleet" / "registrar"
    if path.exists():
        held = path.read_bytes()
        if certificate_key(held) == workspace.unit.public(workspace.handle):
            return held  # after a rotation a new one is made
    path.parent.mkdir(mode=0o700, exist_ok=True)
    made = pinned_certificate(workspace.unit, workspace.handle, workspace.clock())
    write_whole(path, made)
    return made


def forward(workspace: Workspace, request: bytes, makers: list[bytes]) -> tuple[bytes, str]:
    """As the registrar: the device's request inside one of this organisation; its serial number.

    Raises:
        Malformed, Tampered, Refused: as ``open_device_request``; ``life.request-other`` where the
            device sees another registrar.
    """
    from kizuna.roots.life.voucher_request import VoucherRequest, open_device_request, sign_request

    asked = open_device_request(request, _certificates(makers), workspace.clock())
    own = registrar_certificate(workspace)
    if asked.request.proximity_registrar_cert != own:
        raise Refused(
            "life.registrar-other",
            "the device speaks with another registrar",
            why="the certificate that it names is not this organisation's",
            hint="give the device `kizuna device voucher registrar --out FILE`",
        )
    outer = VoucherRequest(
        created_on=workspace.clock(),
        serial_number=asked.request.serial_number,
        nonce=asked.request.nonce,
        idevid_issuer=asked.device.authority_key_id,
        prior_signed_voucher_request=request.strip(),
    )
    signed = sign_request(workspace.unit, workspace.handle, outer, [own])
    return signed, asked.request.serial_number


def issue(
    workspace: Workspace,
    request: bytes,
    subject: str,
    makers: list[bytes],
    *,
    sold_to: str | None = None,
) -> tuple[dict[str, Any], bytes]:
    """As the maker: a voucher that answers a registrar's request, and the claim in the log.

    Args:
        workspace: the maker's.
        request: the registrar's request.
        subject: the device, as this log knows it.
        makers: this maker's own certificates, to which IDevIDs lead.
        sold_to: who bought it, where that is known: then nobody else gets it, and the voucher says
            that it was verified.

    Raises:
        Malformed, Tampered, Refused: as ``open_registrar_request``; ``life.request-buyer``;
            ``life.request-device`` where the log knows another key; ``life.voucher-replayed``;
            ``life.no-effect``.
    """
    from kizuna.roots.identity import did_key
    from kizuna.roots.life.voucher_request import certificate_key, open_registrar_request

    lives, device = Lives(workspace), canonical(subject)
    asked = open_registrar_request(request, _certificates(makers), workspace.clock())
    life = lives.life(device)
    made = [b for b in life.bindings if b.type == "idevid" and b.end is None]
    if life.maker != workspace.identity or not any(b.public == asked.device.key for b in made):
        raise Refused(
            "life.request-device",
            f"{subject[:200]} was not made here with the key that asks",
            why="this log names another maker, or another key, for it",
            hint="`kizuna device history` shows what is known of it",
            subject=subject[:200],
        )
    nonce, registrar = asked.request.nonce, asked.registrar or b""
    if any(row["nonce"] == nonce.hex() for row in issued(workspace, device)):
        raise Refused(
            "life.voucher-replayed",
            "this request was answered already",
            why="its nonce stands in a voucher in the log",
            hint="let the device make a new request",
        )
    to = canonical(did_key(certificate_key(registrar)))
    if sold_to is not None and canonical(sold_to) != to:
        raise Refused(
            "life.request-buyer",
            f"{subject[:200]} was sold to somebody else than who asks",
            why="the device may have been stolen on its way",
            hint="ask the buyer; give the device to nobody else",
            subject=subject[:200],
        )
    if life.offer is not None and life.offer.to == to:
        # the same owner asks anew, with a new nonce: the voucher before is taken back
        back = Status(action=Action.REVOKE, target=Target(statement=life.offer.digest))
        workspace.register_one(workspace.sign(Kind.STATUS, device, back))
    done, document = transfer(
        lives,
        device,
        to,
        assertion="verified" if sold_to else "proximity",
        certificate=registrar,
        serial=asked.request.serial_number,
        nonce=nonce,
    )
    return done | {"serial": asked.request.serial_number}, document or b""


def check(
    voucher: bytes, request: bytes, maker: bytes, registrar: bytes, now: int
) -> dict[str, Any]:
    """On the device: whether a voucher is its maker's answer to its own request.

    Args:
        voucher: what came back.
        request: what the device asked with.
        maker: the key (PEM) or certificate that its maker put into it.
        registrar: the certificate of who it speaks with.
        now: seconds since 1970.

    Raises:
        Malformed: ``life.voucher``. Tampered: ``life.voucher-signature``.
        Refused: ``life.voucher-nonceless``, ``life.voucher-other``, ``life.voucher-over``.
    """
    from kizuna.roots.keys import PublicKey
    from kizuna.roots.life import open_voucher, read_certificates
    from kizuna.roots.life.voucher_request import answers, certificate_key

    key = (
        PublicKey.from_pem(maker)
        if b"BEGIN PUBLIC KEY" in maker
        else certificate_key(read_certificates(maker)[0])
    )
    found = open_voucher(voucher, [key])
    answers(found, _own(request), read_certificates(registrar)[0], now)
    return {
        "serial": found.serial_number,
        "assertion": found.assertion.value,
        "owner": certificate_key(found.pinned_domain_cert).thumbprint.hex(),
    }


def issued(workspace: Workspace, subject: str) -> list[dict[str, Any]]:
    """Every voucher about a device in this log, in its order: to whom, by whom, for which nonce."""
    return [
        {
            "statement": row.statement.digest.hex(),
            "index": row.index,
            "by": row.statement.issuer,
            "to": claim.claims.get("owner"),
            "assertion": claim.claims.get("assertion"),
            "serial": claim.claims.get("serial-number"),
            "nonce": claim.claims.get("nonce"),
            "document": claim.evidence[0].sha256 if claim.evidence else None,
        }
        for row in Lives(workspace).rows(canonical(subject))
        if isinstance(claim := row.statement.payload, Claim) and claim.type == "ownership-voucher"
    ]


def _own(request: bytes) -> VoucherRequest:
    from kizuna.roots.life.voucher_request import read_own_request

    return read_own_request(request)


def _certificates(files: list[bytes]) -> list[bytes]:
    from kizuna.roots.life import read_certificates

    return [one for data in files for one in read_certificates(data)]
