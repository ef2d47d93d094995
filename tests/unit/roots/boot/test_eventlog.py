# SPDX-License-Identifier: Apache-2.0
"""Event logs: read, replayed, and the first event that does not fit is named."""

from hashlib import sha1, sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Malformed
from kizuna.roots.boot.eventlog import (
    EventLog,
    first_misfit,
    is_tcg_log,
    of_unit,
    read_ima,
    read_tcg,
    replay,
)
from kizuna.roots.units.registers import replay as replay_unit
from kizuna.roots.units.unit import Event

SEPARATOR, ACTION, NO_ACTION, IPL = 0x4, 0x80000007, 0x3, 0xD


def le(number: int, size: int = 4) -> bytes:
    return number.to_bytes(size, "little")


def new_event(register: int, kind: int, data: bytes, over: bytes | None = None) -> bytes:
    over = data if over is None else over
    acts = kind != NO_ACTION
    digests = (
        le(2)
        + le(4, 2)
        + (sha1(over, usedforsecurity=False).digest() if acts else bytes(20))
        + le(0xB, 2)
        + (sha256(over).digest() if acts else bytes(32))
    )
    return le(register) + le(kind) + digests + le(len(data)) + data


def tcg_log(*events: bytes, locality: int | None = None) -> bytes:
    spec = (
        b"Spec ID Event03\0" + le(0) + bytes((0, 2, 0, 2)) + le(2)
        + le(4, 2) + le(20, 2) + le(0xB, 2) + le(32, 2) + b"\0"
    )  # fmt: skip
    first = le(0) + le(NO_ACTION) + bytes(20) + le(len(spec)) + spec
    start = b""
    if locality is not None:
        start = new_event(0, NO_ACTION, b"StartupLocality\0" + bytes((locality,)))
    return first + start + b"".join(events)


LOG = tcg_log(
    new_event(0, 0x8, b"1.2"),
    new_event(4, ACTION, b"Calling EFI Application from Boot Option"),
    new_event(4, IPL, b"shim", over=b"the image of shim"),
    new_event(0, SEPARATOR, bytes(4)),
)


def extended(*digests: bytes, start: bytes = bytes(32)) -> bytes:
    for digest in digests:
        start = sha256(start + digest).digest()
    return start


def test_a_log_replays_to_its_registers():
    log = read_tcg(LOG)
    assert is_tcg_log(LOG)
    assert replay(log) == {
        0: extended(sha256(b"1.2").digest(), sha256(bytes(4)).digest()),
        4: extended(
            sha256(b"Calling EFI Application from Boot Option").digest(),
            sha256(b"the image of shim").digest(),
        ),
    }
    assert replay(log, "sha1").keys() == {0, 4}
    assert first_misfit(log, replay(log)) is None


def test_the_locality_of_the_start_counts():
    log = read_tcg(tcg_log(new_event(0, 0x8, b"1.2"), locality=3))
    assert replay(log)[0] == extended(sha256(b"1.2").digest(), start=bytes(31) + b"\x03")


def test_registers_of_late_launch_start_with_ones():
    assert first_misfit(EventLog(()), {17: b"\xff" * 32, 16: bytes(32)}) is None


def test_altered_words_are_named():
    altered = LOG.replace(b"Calling EFI Application", b"Calling EFI Subversion!")
    log = read_tcg(altered)
    quoted = {4: bytes(32)}
    misfit = first_misfit(log, quoted)
    assert misfit is not None
    assert (misfit.cause, misfit.event, misfit.register) == ("digest-of-data", 2, 4)


def test_an_unknown_digest_is_named():
    log = read_tcg(LOG)
    allowed = {e.digests.get("sha256", b"") for e in log.events} - {
        sha256(b"the image of shim").digest()
    }
    misfit = first_misfit(log, {4: b"\x01" * 32}, allowed=allowed)
    assert misfit is not None
    assert (misfit.cause, misfit.event, misfit.name) == ("not-allowed", 3, "ipl")


def test_surplus_and_missing_events_are_told_apart():
    log = read_tcg(LOG)
    before = extended(sha256(b"Calling EFI Application from Boot Option").digest())
    misfit = first_misfit(log, {4: before})
    assert misfit is not None
    assert (misfit.cause, misfit.event) == ("surplus", 3)
    misfit = first_misfit(log, {4: b"\x05" * 32})
    assert misfit is not None
    assert (misfit.cause, misfit.event) == ("missing", None)


def test_the_old_form_is_read():
    data = b"".join(
        le(r) + le(SEPARATOR) + sha1(bytes(4), usedforsecurity=False).digest() + le(4) + bytes(4)
        for r in range(8)
    )
    log = read_tcg(data)
    assert log.banks == ("sha1",)
    assert len(replay(log, "sha1")) == 8


def ima_line(path: str, content: bytes, violation: bool = False) -> bytes:
    digest = sha256(content).digest()
    name = path.encode() + b"\0"
    entry = le(40) + b"sha256:\0" + digest + le(len(name)) + name
    template = bytes(20) if violation else sha1(entry, usedforsecurity=False).digest()
    return f"10 {template.hex()} ima-ng sha256:{digest.hex()} {path}\n".encode()


def test_a_list_of_linux_is_read_and_a_changed_path_refused():
    text = ima_line("boot_aggregate", b"x") + ima_line("/usr/bin/with space", b"y")
    log = read_ima(text)
    assert [event.name for event in log.events] == ["boot_aggregate", "/usr/bin/with space"]
    assert log.events[1].content == {"sha256": sha256(b"y").digest()}
    assert 10 in replay(log)
    with pytest.raises(Malformed):
        read_ima(text.replace(b"/usr/bin", b"/usr/lib"))


def test_a_violation_extends_ones():
    log = read_ima(ima_line("/etc/passwd", b"x", violation=True))
    assert replay(log)[10] == extended(b"\xff" * 32)
    assert log.events[0].kind == "ima-violation"


@given(st.lists(st.tuples(st.integers(0, 15), st.binary(min_size=32, max_size=32)), max_size=20))
def test_the_log_of_a_unit_replays_as_the_unit_does(entries: list[tuple[int, bytes]]):
    log = of_unit([(register, digest, "x") for register, digest in entries])
    values = replay_unit(Event(register, digest) for register, digest in entries)
    made = replay(log)
    assert all(values[register] == made[register] for register, _ in entries)
    assert first_misfit(log, dict(enumerate(values[:16]))) is None


@given(st.integers(0, len(LOG) - 1), st.binary(max_size=64))
def test_cut_and_stuffed_logs_never_break_the_reader(cut: int, noise: bytes):
    for data in (LOG[:cut], LOG[:cut] + noise, noise + LOG, LOG[:cut] + noise + LOG[cut:]):
        try:
            log = read_tcg(data)
        except Malformed:
            continue
        replay(log)
    try:
        read_ima(noise)
    except Malformed:
        return


def test_a_log_of_too_many_bytes_or_events_is_refused():
    with pytest.raises(Malformed):
        read_tcg(bytes((4 << 20) + 1))
    with pytest.raises(Malformed):
        read_ima(b"\n" * ((4 << 20) + 1))
