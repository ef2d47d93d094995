# SPDX-License-Identifier: Apache-2.0
"""DICE: a chain of certificates in which each boot layer vouches for what it started.

Keeps: 1. Both encodings are read: X.509 (TCG's TcbInfo and UEID extensions, RIoT's composite id,
Open Profile) and CBOR (Open Profile: CWT in COSE_Sign1). 2. The chain is verified here, by rules
that fit devices: several anchors, authorities embedded in the device, each layer's name and key
tied to the one above. 3. What a layer measured is read only from certificates; it counts where the
chain holds.
Standard: TCG DICE Attestation Architecture 1.1, Open Profile for DICE 2.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from kizuna.model.errors import Malformed, Problem
from kizuna.roots.boot import der
from kizuna.roots.boot.path import (
    MAX_CHAIN,
    Anchor,
    Certificate,
    PathFault,
    check_path,
    read_certificate,
    read_certificates,
)
from kizuna.roots.boot.wire import malformed
from kizuna.roots.cose import Sign1, check_sign1, decode, encode, read_sign1
from kizuna.roots.keys import PublicKey

__all__ = ["Chain", "Layer", "Measured", "chain_faults", "read_chain"]

MAX_CHAIN_BYTES: Final = 128 << 10

_TCB_INFO, _UEID, _MULTI = "2.23.133.5.4.1", "2.23.133.5.4.4", "2.23.133.5.4.5"
_OPEN: Final = "1.3.6.1.4.1.11129.2.1.24"
_ALTERNATIVE: Final = "2.5.29.17"
_HASHES: Final = {
    "2.16.840.1.101.3.4.2.1": "sha-256",
    "2.16.840.1.101.3.4.2.2": "sha-384",
    "2.16.840.1.101.3.4.2.3": "sha-512",
}
_BY_SIZE: Final = {32: "sha-256", 48: "sha-384", 64: "sha-512"}
_FLAGS: Final = ("not-configured", "not-secure", "recovery", "debug")
_STATES: Final = (
    ("is-configured", False),
    ("is-secure", False),
    ("is-recovery", True),
    ("is-debug", True),
)
"""What a set bit of the same place in TCG's flags says."""
_MODE_STATES: Final = {
    0: (("is-configured", False),),
    1: (("is-configured", True), ("is-debug", False), ("is-recovery", False)),
    2: (("is-configured", True), ("is-debug", True)),
    3: (("is-configured", True), ("is-recovery", True)),
}
_MODES: Final = {0: "not-configured", 1: "normal", 2: "debug", 3: "recovery"}

_CODE, _CONFIG, _AUTHORITY, _MODE, _KEY, _USAGE = (
    -4670545, -4670547, -4670549, -4670551, -4670552, -4670553,
)  # fmt: skip
_MAY_CERTIFY: Final = 0x20


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One digest that a layer took of the next."""

    kind: str
    """``code``, ``config``, ``authority``, or ``firmware`` (TCG's FWID)."""
    digest_alg: str
    digest: bytes
    vendor: str = ""
    model: str = ""
    version: str | None = None
    svn: int | None = None
    layer: int | None = None
    flags: tuple[tuple[str, bool], ...] = ()
    """What is said of its state, by CoMID's names; what is not said is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One certificate of the chain: whose key, and what was measured before it was given."""

    name: str
    key: PublicKey
    measured: tuple[Measured, ...] = ()
    flags: tuple[str, ...] = ()
    """What weakens the layer: ``not-configured``, ``not-secure``, ``recovery``, ``debug``."""
    ueid: bytes | None = None
    parent: PublicKey | None = None
    """The key of the layer above as RIoT's composite id repeats it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A chain that was read, leaf first; nothing in it is verified."""

    layers: tuple[Layer, ...]
    certificates: tuple[Certificate, ...] = ()
    signed: tuple[Sign1, ...] = ()
    """CBOR certificates, leaf first."""
    root: PublicKey | None = None
    """The key on which a CBOR chain stands (of the unique device secret)."""
    names: tuple[tuple[str, str], ...] = ()
    """Issuer and subject of each CBOR certificate."""
    usages: tuple[int, ...] = ()

    @property
    def leaf(self) -> Layer:
        """The last layer: its key signs evidence."""
        return self.layers[0]

    @property
    def measured(self) -> tuple[Measured, ...]:
        """All digests, first layer first."""
        return tuple(one for layer in reversed(self.layers) for one in layer.measured)

    @property
    def ueid(self) -> bytes | None:
        """The identity that the maker's certificates give the device, where they give one.

        What a layer on the device certifies below itself could name anybody.
        """
        above = self.layers[self._device_place :]
        return next((layer.ueid for layer in reversed(above) if layer.ueid is not None), None)

    @property
    def device_key(self) -> PublicKey:
        """The key that stays when firmware changes: that of the first layer on the device."""
        if self.root is not None:
            return self.root
        return self.layers[self._device_place].key

    @property
    def _device_place(self) -> int:
        # measured layers come and go with firmware; the one that certified the first of them stays
        measured = [at for at, layer in enumerate(self.layers) if layer.measured]
        return min(measured[-1] + 1, len(self.layers) - 1) if measured else 0

    @property
    def flags(self) -> tuple[str, ...]:
        """What weakens any layer."""
        return tuple(sorted({flag for layer in self.layers for flag in layer.flags}))


def read_chain(data: bytes) -> Chain:
    """The chain of PEM, of DER after DER, of a CBOR list of DER, or of an Open Profile chain.

    Raises:
        Malformed: ``boot.malformed``.
    """
    if len(data) > MAX_CHAIN_BYTES:
        raise malformed("DICE chain", f"{len(data)} bytes, at most {MAX_CHAIN_BYTES}")
    if data[:1] == b"\x30" or b"-----BEGIN" in data[:4096]:
        return x509_chain(read_certificates(data))
    try:
        value = decode(data)
    except Malformed as fault:
        raise malformed("DICE chain", "neither certificates nor CBOR") from fault
    if not isinstance(value, list | tuple) or not 1 < len(value) <= MAX_CHAIN + 1:
        raise malformed("DICE chain", "not a list of certificates")
    if all(isinstance(one, bytes) for one in value):
        return x509_chain(tuple(read_certificate(bytes(one)) for one in value))
    return _cbor_chain(value)


def x509_chain(certificates: tuple[Certificate, ...]) -> Chain:
    """The chain of certificates that were read, leaf first.

    Raises:
        Malformed: ``boot.malformed``.
    """
    return Chain(layers=tuple(_layer(one) for one in certificates), certificates=certificates)


def chain_faults(
    chain: Chain, anchors: Sequence[Anchor], *, now: int | None
) -> tuple[PathFault, ...]:
    """What is wrong with a chain under the caller's anchors; empty where it holds."""
    faults: list[PathFault] = []
    if chain.certificates:
        faults += check_path(chain.certificates, anchors, now=now).faults
        for below, above in zip(chain.layers, chain.layers[1:], strict=False):
            if below.parent is not None and below.parent != above.key:
                faults.append(PathFault.ORDER)
    else:
        faults += _cbor_faults(chain, anchors)
    return tuple(dict.fromkeys(faults))


def _cbor_faults(chain: Chain, anchors: Sequence[Anchor]) -> list[PathFault]:
    faults: list[PathFault] = []
    keys = [layer.key for layer in chain.layers]
    issuers = [*keys[1:], chain.root]
    for signed, issuer in zip(chain.signed, issuers, strict=True):
        if issuer is None or not check_sign1(signed, issuer):
            faults.append(PathFault.SIGNATURE)
    for (issuer_name, _), (_, subject_above) in zip(chain.names, chain.names[1:], strict=False):
        if issuer_name != subject_above:
            faults.append(PathFault.ORDER)
    if any(not usage & _MAY_CERTIFY for usage in chain.usages[1:]):
        faults.append(PathFault.ISSUER)
    if not any(anchor.key == chain.root for anchor in anchors):
        faults.append(PathFault.ANCHOR)
    return faults


def _cbor_chain(value: Sequence[Any]) -> Chain:
    try:
        root = PublicKey.from_cose_map(value[0])
        entries = [_cbor_layer(one) for one in value[1:]]
    except (AttributeError, TypeError, KeyError) as fault:
        raise malformed("DICE chain", "not a chain of the Open Profile") from fault
    except Problem as fault:
        if fault.code == "boot.malformed":
            raise
        raise malformed("DICE chain", fault.why or fault.what) from fault
    entries.reverse()
    return Chain(
        layers=tuple(entry[0] for entry in entries),
        signed=tuple(entry[1] for entry in entries),
        root=root,
        names=tuple(entry[2] for entry in entries),
        usages=tuple(entry[3] for entry in entries),
    )


def _cbor_layer(value: Any) -> tuple[Layer, Sign1, tuple[str, str], int]:  # noqa: ANN401
    # re-encoding is exact here: the parts are byte strings, and the signature covers those
    parts = getattr(value, "value", value)
    if not isinstance(parts, list | tuple) or len(parts) != 4:
        raise malformed("DICE chain", "an entry is no COSE_Sign1")
    signed = read_sign1(encode(list(parts)))
    payload = decode(signed.payload or b"")
    if type(payload) is not dict:
        raise malformed("DICE chain", "an entry holds no claims")
    issuer, subject = payload.get(1), payload.get(2)
    inner = payload.get(_KEY)
    if type(issuer) is not str or type(subject) is not str or type(inner) is not bytes:
        raise malformed("DICE chain", "issuer, subject or key is missing")
    mode = payload.get(_MODE, 0)
    if isinstance(mode, bytes):
        mode = int.from_bytes(mode[:2], "big")
    usage = payload.get(_USAGE, b"")
    if type(mode) is not int or mode not in _MODES or type(usage) is not bytes:
        raise malformed("DICE chain", "mode or key usage")
    measured = []
    for label, kind in ((_CODE, "code"), (_CONFIG, "config"), (_AUTHORITY, "authority")):
        digest = payload.get(label)
        if digest is None:
            continue
        if type(digest) is not bytes or not 0 < len(digest) <= 64:
            raise malformed("DICE chain", f"digest of the {kind}")
        measured.append(_digest(kind, digest, mode))
    layer = Layer(
        name=subject,
        key=PublicKey.from_cose(inner),
        measured=tuple(measured),
        flags=() if mode == 1 else (_MODES[mode],),
    )
    return layer, signed, (issuer, subject), int.from_bytes(usage[:2], "little")


def _layer(certificate: Certificate) -> Layer:
    measured: list[Measured] = []
    flags: set[str] = set()
    ueid: bytes | None = None
    parent: PublicKey | None = None
    for extension in certificate.extensions:
        if extension.name == _TCB_INFO:
            _tcb_info(extension.value, measured, flags)
        elif extension.name == _MULTI:
            for tag, one in der.items(der.item(extension.value, der.SEQUENCE)):
                if tag != der.SEQUENCE:
                    raise malformed("DICE chain", "list of TcbInfo")
                _tcb_fields(one, measured, flags)
        elif extension.name == _UEID:
            parts = list(der.items(der.item(extension.value, der.SEQUENCE)))
            if len(parts) != 1 or parts[0][0] != der.OCTETS or not 0 < len(parts[0][1]) <= 64:
                raise malformed("DICE chain", "UEID")
            ueid = parts[0][1]
        elif extension.name == _OPEN:
            _open_profile(extension.value, measured, flags)
        elif extension.name == _ALTERNATIVE:
            parent = _composite(extension.value, measured) or parent
    return Layer(
        name=certificate.subject,
        key=certificate.key,
        measured=tuple(measured),
        flags=tuple(sorted(flags)),
        ueid=ueid,
        parent=parent,
    )


def _tcb_info(value: bytes, measured: list[Measured], flags: set[str]) -> None:
    _tcb_fields(der.item(value, der.SEQUENCE), measured, flags)


def _tcb_fields(content: bytes, measured: list[Measured], flags: set[str]) -> None:
    fields = dict(der.items(content))
    texts = {
        tag: fields[tag].decode("utf-8", "replace") for tag in (0x80, 0x81, 0x82) & fields.keys()
    }
    svn = der.number(fields[0x83]) if 0x83 in fields else None
    layer = der.number(fields[0x84]) if 0x84 in fields else None
    if 0x87 in fields:
        bits = fields[0x87]
        flags |= {
            name for place, name in enumerate(_FLAGS) if len(bits) > 1 and bits[1] & (0x80 >> place)
        }
    states = _states(fields.get(0x87), fields.get(0x8A))
    for _, one in der.items(fields.get(0xA6, b"")):
        algorithm, digest = _fwid(one)
        measured.append(
            Measured(
                kind="firmware",
                digest_alg=algorithm,
                digest=digest,
                vendor=texts.get(0x80, ""),
                model=texts.get(0x81, ""),
                version=texts.get(0x82),
                svn=svn,
                layer=layer,
                flags=states,
            )
        )


def _states(flags: bytes | None, mask: bytes | None) -> tuple[tuple[str, bool], ...]:
    """What TCG's flags say, of the bits that a mask names; bits beyond the end are 0."""
    if flags is None:
        return ()
    bits, told = flags[1:2] or b"\0", b"\xff" if mask is None else mask[1:2] or b"\0"
    return tuple(
        (name, value if bits[0] & 0x80 >> place else not value)
        for place, (name, value) in enumerate(_STATES)
        if told[0] & 0x80 >> place
    )


def _open_profile(value: bytes, measured: list[Measured], flags: set[str]) -> None:
    fields = dict(der.items(der.item(value, der.SEQUENCE)))
    mode = der.number(der.item(fields[0xA6], 0x0A)) if 0xA6 in fields else 0
    if mode not in _MODES:
        raise malformed("DICE chain", "mode")
    for tag, kind in ((0xA0, "code"), (0xA2, "config"), (0xA4, "authority")):
        if tag in fields:
            measured.append(_digest(kind, der.item(fields[tag], der.OCTETS), mode))
    if mode != 1:
        flags.add(_MODES[mode])


def _composite(value: bytes, measured: list[Measured]) -> PublicKey | None:
    """RIoT's composite device id: it stands in the alternative name, without the usual wrapping."""
    for tag, one in der.items(der.item(value, der.SEQUENCE)):
        parts = list(der.items(one)) if tag == 0xA0 else []
        if len(parts) != 2 or parts[0][0] != der.OBJECT:
            continue
        if der.object_id(parts[0][1]) != _TCB_INFO:
            continue
        inner = list(der.items(parts[1][1]))
        if [kind for kind, _ in inner] != [der.INTEGER, der.SEQUENCE, der.SEQUENCE]:
            raise malformed("DICE chain", "composite device id")
        algorithm, digest = _fwid(inner[2][1])
        measured.append(Measured(kind="firmware", digest_alg=algorithm, digest=digest))
        spki = inner[1][1]
        return PublicKey.from_spki(_wrapped(spki))
    return None


def _fwid(content: bytes) -> tuple[str, bytes]:
    parts = list(der.items(content))
    if [tag for tag, _ in parts] != [der.OBJECT, der.OCTETS] or not 0 < len(parts[1][1]) <= 64:
        raise malformed("DICE chain", "firmware id")
    name = der.object_id(parts[0][1])
    return _HASHES.get(name, name), parts[1][1]


def _digest(kind: str, digest: bytes, mode: int) -> Measured:
    return Measured(
        kind=kind,
        digest_alg=_BY_SIZE.get(len(digest), "unknown"),
        digest=digest,
        flags=_MODE_STATES[mode],
    )


def _wrapped(content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((0x30, size)) + content
    width = (size.bit_length() + 7) // 8
    return bytes((0x30, 0x80 | width)) + size.to_bytes(width, "big") + content
