# SPDX-License-Identifier: Apache-2.0
"""The forms in which TPM evidence travels: our own, Parsec's and EnactTrust's.

Keeps: 1. Each form is told by its first bytes, and what is half one and half another is none.
2. Everything is bounded before it is parsed. 3. What is read says nothing about its truth.

Our form is a CBOR map, alone or in a CMW record ``["application/vnd.kizuna.tpm+cbor", bytes]``:
``attest`` (TPMS_ATTEST), ``sig`` (TPMT_SIGNATURE), ``registers`` (hash name → number → value), and
where there are any ``log`` (TCG event log), ``ima`` (text), ``unit`` (list of register, digest,
label), ``node`` (what the device calls itself), ``epoch`` (a number whose hash is the nonce).
Standard: TPM 2.0 Library part 2, RATS conceptual message wrapper (draft-ietf-rats-msg-wrap).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final

from kizuna.model.errors import Problem
from kizuna.proof.attestation.appraisal import Measurement
from kizuna.proof.attestation.shapes import Shapes, Span, content_of, spans_in
from kizuna.proof.attestation.token import malformed
from kizuna.roots.boot.eventlog import EventLog, of_unit, read_ima, read_tcg
from kizuna.roots.boot.public import DIGEST_SIZES, PublicArea, read_public
from kizuna.roots.boot.quote import Bank, Certified, Quote, Selection, read_certified, read_quote
from kizuna.roots.boot.signature import TpmSignature, read_signature
from kizuna.roots.cose import decode, encode
from kizuna.roots.cose.cbor import end_of_item

__all__ = [
    "MAX_EVIDENCE",
    "MEDIA_TYPE",
    "Parts",
    "epoch_nonce",
    "read_parts",
    "with_log",
    "write_evidence",
]

MAX_EVIDENCE: Final = 8 << 20
"""Largest evidence in bytes; event logs of servers reach megabytes."""
MEDIA_TYPE: Final = "application/vnd.kizuna.tpm+cbor"

_ATTEST: Final = b"\xff\x54\x43\x47\x80\x18"
_NODE: Final = 16
_MEMBERS: Final = frozenset({"attest", "sig", "registers", "log", "ima", "unit", "node", "epoch"})
_LIST: Final = 4
_LOGS: Final = ("log", "ima", "unit")
_MAX_ENTRIES: Final = 20_000
_OWN: Final = ("attest", "sig", "node")
"""Members in which evidence of one class differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """One piece of evidence, taken apart."""

    quote: Quote
    quote_bytes: bytes
    signature: TpmSignature
    registers: Bank | None = None
    """Values that came along; None where the form carries none."""
    raw_logs: Mapping[str, Any] | None = None
    """Logs as they came; nobody parses them before the quote's signature holds."""
    log: EventLog | None = None
    node: bytes | None = None
    key_id: bytes | None = None
    certified: tuple[Certified, TpmSignature, bytes, PublicArea] | None = None
    """A key that the same signer certified beside (Parsec): what was signed, and the key's area."""
    epoch: int | None = None
    alike: Alike | None = field(default=None, compare=False)
    """What this evidence shares with all of its shape, where it has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """What all evidence of one shape says alike, and where each says its own."""

    registers: Bank
    epoch: int | None
    attest: Span
    signature: Span
    node: Span | None
    digests: dict[tuple[Selection, str], bytes | None] = field(default_factory=dict)
    """The digest over the registers, by selection and hash: they are the same for all."""
    shown: dict[Selection, tuple[Measurement, ...]] = field(default_factory=dict)


_shapes: Final[Shapes[Alike]] = Shapes()


def read_parts(data: bytes) -> Parts:
    """The parts of evidence in any of the three forms.

    Raises:
        Malformed: ``attestation.malformed``.
    """
    if len(data) > MAX_EVIDENCE:
        raise malformed(f"{len(data)} bytes, at most {MAX_EVIDENCE}")
    try:
        shared = _shapes.find(data)
        return _whole(data) if shared is None else _same(data, shared)
    except Problem as fault:
        if fault.code == "attestation.malformed":
            raise
        raise malformed(fault.why or fault.what) from fault


def _whole(data: bytes) -> Parts:
    """The parts of evidence that was not seen in this shape."""
    if data[_NODE + 2 : _NODE + 8] == _ATTEST:
        return _enacttrust(data)
    value = decode(data, 6)
    if isinstance(value, list | tuple):
        value = _unwrapped(value)
    if type(value) is not dict:
        raise malformed("neither a map nor a wrapped message")
    if value.keys() == {"kat", "pat"}:
        return _parsec(value)
    parts = _own(value)
    if _shapes.pays and parts.raw_logs is None:
        _learn(data, parts, value.get("epoch"))
    return parts


def write_evidence(
    attest: bytes,
    signature: bytes,
    registers: Bank,
    *,
    log: bytes = b"",
    ima: bytes = b"",
    unit: tuple[tuple[int, bytes, str], ...] = (),
    node: bytes = b"",
    epoch: int | None = None,
) -> bytes:
    """Evidence in our form, in its CMW wrapper."""
    banks: dict[str, dict[int, bytes]] = {}
    for (bank, number), value in registers.items():
        banks.setdefault(bank, {})[number] = value
    body: dict[str, Any] = {"attest": attest, "sig": signature, "registers": banks}
    optional = {"log": log, "ima": ima, "unit": [list(entry) for entry in unit], "node": node}
    body |= {name: part for name, part in optional.items() if part}
    if epoch is not None:
        body["epoch"] = epoch
    return encode([MEDIA_TYPE, encode(body)])


def epoch_nonce(epoch: int) -> bytes:
    """What a device that is not asked puts in place of a nonce: the hash of the epoch's number."""
    return sha256(b"kizuna epoch %d" % epoch).digest()


def _enacttrust(data: bytes) -> Parts:
    size = int.from_bytes(data[_NODE : _NODE + 2], "big")
    at = _NODE + 2
    attest = data[at : at + size]
    return Parts(
        quote=read_quote(attest),
        quote_bytes=attest,
        signature=read_signature(data[at + size :]),
        node=data[:_NODE],
    )


def _parsec(value: dict[Any, Any]) -> Parts:
    platform, key = value["pat"], value["kat"]
    if type(platform) is not dict or type(key) is not dict:
        raise malformed("kat and pat are maps")
    attest, info = _bytes(platform, "attestInfo"), _bytes(key, "certInfo")
    key_id = _bytes(platform, "kid", 256)
    if platform.get("tpmVer") != "2.0" or key.get("tpmVer") != "2.0":
        raise malformed("not of a TPM 2.0")
    if _bytes(key, "kid", 256) != key_id:
        raise malformed("two keys signed the two halves")
    return Parts(
        quote=read_quote(attest),
        quote_bytes=attest,
        signature=read_signature(_bytes(platform, "sig")),
        node=key_id,
        key_id=key_id,
        certified=(
            read_certified(info),
            read_signature(_bytes(key, "sig")),
            info,
            read_public(_bytes(key, "pubArea")),
        ),
    )


def _own(value: dict[Any, Any]) -> Parts:
    if not value.keys() <= _MEMBERS or not value.keys() >= {"attest", "sig", "registers"}:
        raise malformed("members other than those of TPM evidence")
    attest = _bytes(value, "attest")
    quote = read_quote(attest)
    epoch = value.get("epoch")
    if epoch is not None and (type(epoch) is not int or not 0 <= epoch < 2**53):
        raise malformed("epoch")
    node = _bytes(value, "node", 256) if "node" in value else None
    return Parts(
        quote=quote,
        quote_bytes=attest,
        signature=read_signature(_bytes(value, "sig")),
        registers=_registers(value["registers"]),
        raw_logs={name: value[name] for name in _LOGS if name in value} or None,
        node=node,
        # the number alone is the sender's word; the nonce is the TPM's
        epoch=epoch if epoch is not None and epoch_nonce(epoch) == quote.nonce else None,
    )


def _same(data: bytes, shared: Alike) -> Parts:
    """The parts of evidence whose shape is known."""
    begin, end = shared.attest
    attest = data[begin:end]
    quote = read_quote(attest)
    begin, end = shared.signature
    signature = read_signature(data[begin:end])
    epoch, node = shared.epoch, None
    if shared.node is not None:
        begin, end = shared.node
        node = data[begin:end]
    return Parts(
        quote=quote,
        quote_bytes=attest,
        signature=signature,
        registers=shared.registers,
        node=node,
        epoch=epoch if epoch is not None and epoch_nonce(epoch) == quote.nonce else None,
        alike=shared,
    )


def _learn(data: bytes, parts: Parts, epoch: int | None) -> None:
    """Know evidence again that differs from this in quote, signature and node alone."""
    at = 0
    if data[0] >> 5 == _LIST:  # in its wrapper: the map is the content of the second part
        at = content_of(data, end_of_item(data, content_of(data, 0)))
    places = spans_in(data, _OWN, at)
    attest, signature, node = (places.get(name) for name in _OWN)
    if attest is not None and signature is not None and parts.registers is not None:
        free = [place for place in (attest, signature, node) if place is not None]
        alike = Alike(
            registers=parts.registers, epoch=epoch, attest=attest, signature=signature, node=node
        )
        _shapes.learn(data, free, alike)


def _registers(value: object) -> dict[tuple[str, int], bytes]:
    if type(value) is not dict or len(value) > 8:
        raise malformed("registers of a wrong shape")
    found: dict[tuple[str, int], bytes] = {}
    for bank, held in value.items():
        size = DIGEST_SIZES.get(bank) if type(bank) is str else None
        if size is None or type(held) is not dict or len(held) > 32:
            raise malformed("registers of a wrong shape")
        for number, one in held.items():
            if type(number) is not int or type(one) is not bytes or len(one) != size:
                raise malformed("value of a register")
            found[bank, number] = one
    return found


def with_log(parts: Parts) -> Parts:
    """The parts with their logs read, in the order firmware, Linux, unit.

    Raises:
        Malformed: ``attestation.malformed``, ``boot.malformed``.
    """
    if parts.raw_logs is None:
        return parts
    value = dict(parts.raw_logs)
    logs: list[EventLog] = []
    if "log" in value:
        logs.append(read_tcg(_bytes(value, "log", MAX_EVIDENCE)))
    if "ima" in value:
        logs.append(read_ima(_bytes(value, "ima", MAX_EVIDENCE)))
    if "unit" in value:
        entries = value["unit"]
        if not isinstance(entries, list | tuple) or len(entries) > _MAX_ENTRIES:
            raise malformed("log of a unit")
        logs.append(of_unit(_entry(one) for one in entries))
    events = tuple(event for log in logs for event in log.events)
    return replace(parts, log=EventLog(events, logs[0].locality, logs[0].banks))


def _entry(value: object) -> tuple[int, bytes, str]:
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise malformed("entry of a unit's log")
    register, digest, label = value
    if type(register) is not int or not 0 <= register < 24:
        raise malformed("entry of a unit's log")
    if type(digest) is not bytes or len(digest) != 32 or type(label) is not str:
        raise malformed("entry of a unit's log")
    return register, digest, label[:256]


def _unwrapped(value: Any) -> Any:  # noqa: ANN401 - CBOR holds anything
    if len(value) not in (2, 3) or value[0] != MEDIA_TYPE or type(value[1]) is not bytes:
        raise malformed("wrapped message of another type")
    return decode(value[1], 5)


def _bytes(value: dict[Any, Any], name: str, limit: int = 4096) -> bytes:
    found = value.get(name)
    if type(found) is not bytes or len(found) > limit:
        raise malformed(f"member {name}")
    return found
