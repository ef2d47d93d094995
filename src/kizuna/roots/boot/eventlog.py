# SPDX-License-Identifier: Apache-2.0
"""Event logs: what was measured into which register, replayed to what the registers must hold.

Keeps: 1. One replay serves the logs of PC firmware, of Linux (IMA) and of our own units: an event
is a register, a digest for each bank, and words. 2. A log proves nothing by itself: only where its
replay meets registers that were quoted does an event count as having happened. 3. Where it does not
meet them, the first event that does not fit is named as far as it can be known.
Standard: TCG PC Client Platform Firmware Profile 1.06 (crypto-agile and SHA-1 form), TCG Canonical
starts of registers (locality 3 or 4), Linux IMA's ``ascii_runtime_measurements``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import new, sha1, sha256
from typing import Final

from kizuna.roots.boot.public import DIGEST_SIZES, HASH_NAMES
from kizuna.roots.boot.wire import Reader, malformed

__all__ = [
    "EventLog",
    "MeasuredEvent",
    "Misfit",
    "first_misfit",
    "is_tcg_log",
    "read_ima",
    "read_tcg",
    "replay",
]

MAX_LOG: Final = 4 << 20
"""Largest log in bytes (real boot logs have 10 to 100 KiB, IMA logs may reach megabytes)."""
MAX_EVENTS: Final = 50_000
MAX_EVENT: Final = 1 << 20
_REGISTERS: Final = 24

_NO_ACTION: Final = 0x00000003
_SPEC_ID: Final = b"Spec ID Event03\0"
_LOCALITY: Final = b"StartupLocality\0"

_KINDS: Final = {
    0x00000000: "prebootcert",
    0x00000001: "post-code",
    0x00000003: "no-action",
    0x00000004: "separator",
    0x00000005: "action",
    0x00000006: "event-tag",
    0x00000007: "crtm-contents",
    0x00000008: "crtm-version",
    0x00000009: "cpu-microcode",
    0x0000000A: "platform-config",
    0x0000000B: "devices",
    0x0000000C: "compact-hash",
    0x0000000D: "ipl",
    0x0000000E: "ipl-partition",
    0x0000000F: "nonhost-code",
    0x00000010: "nonhost-config",
    0x00000011: "nonhost-info",
    0x80000001: "efi-variable-driver",
    0x80000002: "efi-variable-boot",
    0x80000003: "efi-application",
    0x80000004: "efi-driver",
    0x80000005: "efi-runtime-driver",
    0x80000006: "efi-gpt",
    0x80000007: "efi-action",
    0x80000008: "efi-firmware-blob",
    0x80000009: "efi-handoff-tables",
    0x8000000A: "efi-firmware-blob2",
    0x8000000B: "efi-handoff-tables2",
    0x8000000C: "efi-variable-boot2",
    0x800000E0: "efi-variable-authority",
}
_OVER_ITS_DATA: Final = frozenset(
    {
        "separator",
        "action",
        "event-tag",
        "crtm-version",
        "platform-config",
        "efi-variable-driver",
        "efi-gpt",
        "efi-action",
        "efi-variable-authority",
    }
)
"""Kinds whose digest is that of the event's own data, so that altered words show."""
_SEPARATOR_ERROR: Final = b"\x01\x00\x00\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredEvent:
    """One event: ``digests`` by bank; an empty one extends nothing."""

    number: int
    """Its place in the log, from 0."""
    register: int
    kind: str
    digests: Mapping[str, bytes]
    data: bytes = b""
    name: str = ""
    """What was measured, in readable words, where the log says so (a path, a unit's label)."""
    content: Mapping[str, bytes] = field(default_factory=dict)
    """Digests of the file measured, where they differ from what was extended (IMA)."""

    @property
    def extends(self) -> bool:
        """Whether it changed a register."""
        return self.kind != "no-action" and bool(self.digests)


@dataclass(frozen=True, slots=True)
class EventLog:
    """A log that was read: its events, and the locality from which the platform was started."""

    events: tuple[MeasuredEvent, ...]
    locality: int = 0
    banks: tuple[str, ...] = ("sha256",)


@dataclass(frozen=True, slots=True)
class Misfit:
    """Where log and quoted registers part.

    ``event`` is the number of the first event that does not fit, None where the log lacks events
    that did happen; ``cause`` says how it is known.
    """

    register: int
    bank: str
    cause: str
    """``digest-of-data`` (the event's words were altered), ``not-allowed`` (its digest is unknown
    to the policy), ``surplus`` (the register held its quoted value before this event),
    ``missing`` (nothing in the log explains the quoted value)."""
    event: int | None = None
    name: str = ""


def replay(log: EventLog, bank: str = "sha256") -> dict[int, bytes]:
    """What the registers of ``bank`` hold after the log, from their start."""
    size = DIGEST_SIZES[bank]
    start = _starts(log, size)
    registers: dict[int, bytes] = {}
    for event in log.events:
        digest = event.digests.get(bank)
        if digest is None or not event.extends:
            continue
        value = registers.get(event.register) or start(event.register)
        registers[event.register] = new(bank, value + digest).digest()
    return registers


def first_misfit(
    log: EventLog,
    quoted: Mapping[int, bytes],
    bank: str = "sha256",
    allowed: Collection[bytes] | None = None,
) -> Misfit | None:
    """The first event that does not fit the quoted registers; None where all of them fit.

    Registers outside ``quoted`` are not judged: nobody vouched for them.
    """
    made, size = replay(log, bank), DIGEST_SIZES[bank]
    start = _starts(log, size)
    wrong = {
        number: value
        for number, value in quoted.items()
        if (made.get(number) or start(number)) != value
    }
    if not wrong:
        return None
    held = {number: start(number) for number in wrong}
    met = {number for number, value in wrong.items() if value == held[number]}
    surplus: dict[int, MeasuredEvent] = {}
    for event in log.events:
        number, digest = event.register, event.digests.get(bank)
        if number not in wrong or digest is None or not event.extends:
            continue
        if number in met and number not in surplus:
            surplus[number] = event
        if not _fits_data(event, bank):
            return Misfit(number, bank, "digest-of-data", event.number, event.name)
        if allowed is not None and digest not in allowed:
            return Misfit(number, bank, "not-allowed", event.number, event.name)
        held[number] = new(bank, held[number] + digest).digest()
        if held[number] == wrong[number]:
            met.add(number)
            surplus.pop(number, None)
    if surplus:
        event = min(surplus.values(), key=lambda e: e.number)
        return Misfit(event.register, bank, "surplus", event.number, event.name)
    return Misfit(min(wrong), bank, "missing")


def is_tcg_log(data: bytes) -> bool:
    """Whether these bytes begin as a firmware's log does."""
    return data[32:48] == _SPEC_ID


def read_tcg(data: bytes) -> EventLog:
    """The log of PC firmware (``binary_bios_measurements``), in the newer or the SHA-1 form.

    Raises:
        Malformed: ``boot.malformed``.
    """
    what = "TCG event log"
    if len(data) > MAX_LOG:
        raise malformed(what, f"{len(data)} bytes, at most {MAX_LOG}")
    reader = Reader(data, what, "little")
    first = _old_event(reader, 0)
    sizes: dict[int, int] = {}
    if first.kind == "no-action" and first.data.startswith(_SPEC_ID):
        sizes = _spec_id(first.data)
    events, locality = [first], 0
    while reader.left:
        if len(events) >= MAX_EVENTS:
            raise malformed(what, f"more than {MAX_EVENTS} events")
        if sizes and data[reader.at : reader.at + 4] == b"\xff\xff\xff\xff":
            break  # logs copied from memory may end in untouched flash
        event = _new_event(reader, len(events), sizes) if sizes else _old_event(reader, len(events))
        if event.kind == "no-action" and event.data.startswith(_LOCALITY):
            if len(event.data) != len(_LOCALITY) + 1 or event.register != 0:
                raise malformed(what, "startup locality of a wrong shape")
            locality = event.data[-1]
            if locality not in (0, 3, 4):
                raise malformed(what, f"startup locality {locality}")
        events.append(event)
    banks = tuple(HASH_NAMES[number] for number in sizes if number in HASH_NAMES) or ("sha1",)
    return EventLog(tuple(events), locality, banks)


def read_ima(text: bytes) -> EventLog:
    """Linux's measurement list in its text form, templates ``ima``, ``ima-ng`` and ``ima-sig``.

    The SHA-256 bank holds the digest of the whole template entry (Linux 5.8 and later); older
    kernels padded the SHA-1 digest, which is read from the log's own first column.

    Raises:
        Malformed: ``boot.malformed``.
    """
    what = "IMA log"
    if len(text) > MAX_LOG:
        raise malformed(what, f"{len(text)} bytes, at most {MAX_LOG}")
    events: list[MeasuredEvent] = []
    for line in text.splitlines():
        if not line.strip():
            continue
        if len(events) >= MAX_EVENTS:
            raise malformed(what, f"more than {MAX_EVENTS} entries")
        events.append(_ima_entry(line, len(events)))
    return EventLog(tuple(events), 0, ("sha1", "sha256"))


def of_unit(entries: Iterable[tuple[int, bytes, str]]) -> EventLog:
    """The log of one of our own units: register, SHA-256 digest and label of each extension."""
    return EventLog(
        tuple(
            MeasuredEvent(
                number=number,
                register=register,
                kind="unit",
                digests={"sha256": digest},
                name=label,
            )
            for number, (register, digest, label) in enumerate(entries)
        )
    )


def _starts(log: EventLog, size: int) -> Callable[[int], bytes]:
    zero, ones = bytes(size), b"\xff" * size
    first = bytes(size - 1) + bytes((log.locality,))

    def start(register: int) -> bytes:
        if register == 0:
            return first
        return ones if 17 <= register <= 22 else zero

    return start


def _fits_data(event: MeasuredEvent, bank: str) -> bool:
    if event.kind not in _OVER_ITS_DATA:
        return True
    digest = event.digests[bank]
    if new(bank, event.data).digest() == digest:
        return True
    # an error separator measures 1 while its data tells what went wrong
    return event.kind == "separator" and new(bank, _SEPARATOR_ERROR).digest() == digest


def _spec_id(data: bytes) -> dict[int, int]:
    reader = Reader(data, "TCG event log", "little", at=len(_SPEC_ID))
    reader.take(8)
    count, sizes = reader.number(4), {}
    if not 0 < count <= 8:
        raise malformed("TCG event log", f"{count} banks")
    for _ in range(count):
        number, size = reader.number(2), reader.number(2)
        known = HASH_NAMES.get(number)
        if size > 64 or (known is not None and DIGEST_SIZES[known] != size) or number in sizes:
            raise malformed("TCG event log", f"bank {number:#06x} with digests of {size} bytes")
        sizes[number] = size
    reader.take(reader.number(1))
    reader.end()
    return sizes


def _old_event(reader: Reader, number: int) -> MeasuredEvent:
    register, kind = _register(reader), reader.number(4)
    digest, data = reader.take(20), _data(reader)
    return _event(number, register, kind, {"sha1": digest}, data)


def _new_event(reader: Reader, number: int, sizes: Mapping[int, int]) -> MeasuredEvent:
    register, kind, count = _register(reader), reader.number(4), reader.number(4)
    if count > len(sizes):
        raise malformed(reader.what, f"event {number} has {count} digests")
    digests: dict[str, bytes] = {}
    for _ in range(count):
        algorithm = reader.number(2)
        size = sizes.get(algorithm)
        if size is None:
            raise malformed(reader.what, f"event {number} has a digest of an undeclared bank")
        digest, bank = reader.take(size), HASH_NAMES.get(algorithm, hex(algorithm))
        if bank in digests:
            raise malformed(reader.what, f"event {number} has two digests of one bank")
        digests[bank] = digest
    return _event(number, register, kind, digests, _data(reader))


def _event(
    number: int, register: int, kind: int, digests: Mapping[str, bytes], data: bytes
) -> MeasuredEvent:
    name = _KINDS.get(kind, f"{kind:#010x}")
    return MeasuredEvent(
        number=number, register=register, kind=name, digests=digests, data=data, name=name
    )


def _register(reader: Reader) -> int:
    register = reader.number(4)
    if register >= _REGISTERS and register != 0xFFFFFFFF:
        raise malformed(reader.what, f"register {register}")
    return register


def _data(reader: Reader) -> bytes:
    size = reader.number(4)
    if size > MAX_EVENT:
        raise malformed(reader.what, f"event of {size} bytes")
    return reader.take(size)


def _ima_entry(line: bytes, number: int) -> MeasuredEvent:
    what = f"IMA log (line {number + 1})"
    if len(line) > 1 << 14:
        raise malformed(what, "too long")
    parts = line.split(b" ")
    try:
        register, template = int(parts[0]), bytes.fromhex(parts[1].decode())
        kind = parts[2]
        if register >= _REGISTERS or register < 0 or len(template) != 20:
            raise malformed(what, "register or template digest")
        if kind == b"ima":
            digest, path = bytes.fromhex(parts[3].decode()), b" ".join(parts[4:])
            name_of = b"sha1"
            entry = digest + path.ljust(256, b"\0")
        elif kind in (b"ima-ng", b"ima-sig"):
            name_of, _, hexed = parts[3].partition(b":")
            digest = bytes.fromhex(hexed.decode())
            rest, signature = parts[4:], b""
            if kind == b"ima-sig" and len(rest) > 1:
                try:
                    signature = bytes.fromhex(rest[-1].decode())
                    rest = rest[:-1]
                except ValueError:
                    signature = b""
            path = b" ".join(rest)
            entry = _field(name_of + b":\0" + digest) + _field(path + b"\0")
            if kind == b"ima-sig":
                entry += _field(signature)
        else:
            raise malformed(what, "template not supported")
    except (IndexError, ValueError) as fault:
        raise malformed(what, "not an entry") from fault
    name = path.decode("utf-8", "replace")
    if template == bytes(20):
        # a violation: nobody knows what was read, and the kernel extends ones
        digests = {"sha1": b"\xff" * 20, "sha256": b"\xff" * 32}
        kind_of = "ima-violation"
    else:
        if sha1(entry, usedforsecurity=False).digest() != template:
            raise malformed(what, "the entry does not give its own template digest")
        digests = {"sha1": template, "sha256": sha256(entry).digest()}
        kind_of = "ima"
    return MeasuredEvent(
        number=number,
        register=register,
        kind=kind_of,
        digests=digests,
        name=name,
        content={name_of.decode("ascii", "replace"): digest},
    )


def _field(data: bytes) -> bytes:
    return len(data).to_bytes(4, "little") + data
