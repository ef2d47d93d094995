# SPDX-License-Identifier: Apache-2.0
"""Units that go away, are put back, are asked wrongly: clear problems, nothing lost, no hang."""

import multiprocessing
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kizuna.model.errors import Misconfigured, Problem, Tampered
from kizuna.roots.keys import Algorithm, verify
from kizuna.roots.units import EphemeralUnit, Purpose
from kizuna.roots.units.keyfile import KeyFile, seal_of
from kizuna.roots.units.process import Peer, ProcessUnit, UnitServer
from kizuna.roots.units.process.wire import MAX_FRAME, Answer, send
from kizuna.roots.units.software import SoftwareUnit

SECRET = bytes(range(32))


def _code(call: Callable[[], object]) -> str:
    with pytest.raises(Problem) as problem:
        call()
    assert problem.value.hint
    return problem.value.code


# --- a file that was put back ---------------------------------------------------------------------


def test_an_older_key_file_is_noticed_by_who_saw_a_newer(tmp_path: Path):
    unit = SoftwareUnit.create(tmp_path / "keys", SECRET, random=True)
    old = unit.generate(Algorithm.ES256, "stolen and destroyed")
    before = (tmp_path / "keys").read_bytes()
    unit.destroy(old)
    (tmp_path / "keys").write_bytes(before)
    assert _code(lambda: unit.generate(Algorithm.ES256, "new")) == "unit.rolled-back"
    assert _code(unit.refresh) == "unit.rolled-back"


def test_an_older_key_file_is_noticed_after_a_restart_by_its_witness(tmp_path: Path):
    keys, witness = tmp_path / "keys", tmp_path / "elsewhere"
    unit = SoftwareUnit.create(keys, SECRET, random=True, witness=witness)
    before = keys.read_bytes()
    handle = unit.generate(Algorithm.ES256, "x")
    assert SoftwareUnit.open(keys, SECRET, witness=witness).handles() == [handle]
    newest = keys.read_bytes()
    keys.write_bytes(before)
    with pytest.raises(Tampered) as problem:
        SoftwareUnit.open(keys, SECRET, witness=witness)
    assert problem.value.code == "unit.rolled-back"
    keys.write_bytes(newest)
    assert SoftwareUnit.open(keys, SECRET, witness=witness).handles() == [handle]


def test_a_witness_cannot_be_set_back_without_the_secret(tmp_path: Path):
    keys, witness = tmp_path / "keys", tmp_path / "elsewhere"
    SoftwareUnit.create(keys, SECRET, random=True, witness=witness)
    data = witness.read_bytes()
    witness.write_bytes((0).to_bytes(8, "big") + data[8:])
    assert _code(lambda: SoftwareUnit.open(keys, SECRET, witness=witness)) == "unit.witness"


def test_a_key_file_of_the_first_format_still_opens(tmp_path: Path):
    path = tmp_path / "keys"
    unit = SoftwareUnit.create(path, SECRET, random=True)
    handle = unit.generate(Algorithm.ES256, "x")
    content = msgspec.msgpack.decode(path.read_bytes(), type=KeyFile)
    old = msgspec.structs.replace(content, format="kizuna-keys-1", version=0, seal=b"")
    old = msgspec.structs.replace(old, seal=seal_of(old, unit._keys))
    members = {name: getattr(old, name) for name in old.__struct_fields__ if name != "version"}
    path.write_bytes(msgspec.msgpack.encode(members))
    again = SoftwareUnit.open(path, SECRET)
    assert verify(again.public(handle), again.sign(handle, b"word"), b"word")
    again.generate(Algorithm.ES256, "y")
    assert SoftwareUnit.open(path, SECRET).version == 1


# --- a process that goes away, or is not what it seems --------------------------------------------


def _serve(folder: str) -> None:
    path = Path(folder) / "keys"
    unit = (
        SoftwareUnit.open(path, SECRET)
        if path.exists()
        else SoftwareUnit.create(path, SECRET, random=True)
    )
    UnitServer(Path(folder) / "unit", lambda _: unit).serve()


class Served:
    """A server process that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "unit"
        self.start()

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.process = context.Process(target=_serve, args=(str(self.folder),))
        self.process.start()
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(str(self.path))
                except OSError:
                    time.sleep(0.02)
                else:
                    return
        pytest.fail("the server does not start")

    def kill(self) -> None:
        self.process.kill()
        self.process.join()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    server = Served(tmp_path)
    yield server
    server.kill()


def test_a_killed_server_is_told_and_its_keys_are_there_again(served: Served):
    unit = ProcessUnit(served.path)
    handle = unit.generate(Algorithm.ES256, "traffic")
    served.kill()
    assert _code(lambda: unit.sign(handle, b"word")) == "unit.gone"
    assert _code(unit.handles) == "unit.gone"
    served.start()
    assert unit.handles() == [handle]
    assert verify(unit.public(handle), unit.sign(handle, b"word"), b"word")


def test_a_server_killed_in_the_middle_of_a_batch_does_not_hang_its_caller(served: Served):
    unit = ProcessUnit(served.path)
    handle = unit.generate(Algorithm.ES256, "traffic")
    threading.Timer(0.05, served.kill).start()
    code = _code(lambda: [unit.sign_many(handle, [bytes(200)] * 10_000) for _ in range(200)])
    assert code == "unit.gone"


def test_the_keys_are_not_in_the_memory_of_who_uses_them(served: Served):
    unit = ProcessUnit(served.path)
    unit.sign(unit.generate(Algorithm.ES256, "traffic"), b"word")
    assert not [name for name in vars(unit) if "key" in name]


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Path]:
    unit = EphemeralUnit(b"seed")
    server = UnitServer(tmp_path / "unit", lambda _: unit)
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield tmp_path / "unit"
    server.close()
    thread.join()


def test_the_socket_is_its_owners_alone(inside: Path):
    assert stat.S_IMODE(inside.stat().st_mode) == 0o600


def test_two_servers_do_not_share_a_path(inside: Path, tmp_path: Path):
    with pytest.raises(Misconfigured) as problem:
        UnitServer(inside, lambda _: EphemeralUnit())
    assert problem.value.code == "unit.socket"
    (tmp_path / "file").write_text("something else")
    assert _code(lambda: UnitServer(tmp_path / "file", lambda _: EphemeralUnit())) == "unit.socket"
    assert (tmp_path / "file").read_text() == "something else"


def test_another_user_is_turned_away_unheard(tmp_path: Path):
    heard: list[Peer] = []

    def unit_for(peer: Peer) -> EphemeralUnit:
        heard.append(peer)
        return EphemeralUnit()

    server = UnitServer(tmp_path / "unit", unit_for, users=frozenset({os.getuid() + 1}))
    thread = threading.Thread(target=server.serve)
    thread.start()
    assert _code(ProcessUnit(tmp_path / "unit").handles) == "unit.gone"
    server.close()
    thread.join()
    assert heard == []


def test_who_serves_is_asked_by_the_kernel(inside: Path, monkeypatch: pytest.MonkeyPatch):
    if os.getuid() == 0:
        from kizuna.roots.units.process import client  # noqa: PLC0415 - root may always serve

        monkeypatch.setattr(client, "peer_of", lambda _: Peer(1, 4242, 4242))
        unit = ProcessUnit(inside)
    else:
        unit = ProcessUnit(inside, server=os.getuid() + 1)
    assert _code(unit.handles) == "unit.server"


def test_the_caller_is_known_to_who_decides(tmp_path: Path):
    heard: list[Peer] = []

    def unit_for(peer: Peer) -> EphemeralUnit:
        heard.append(peer)
        return EphemeralUnit()

    server = UnitServer(tmp_path / "unit", unit_for)
    thread = threading.Thread(target=server.serve)
    thread.start()
    ProcessUnit(tmp_path / "unit").handles()
    server.close()
    thread.join()
    assert heard == [Peer(os.getpid(), os.getuid(), os.getgid())]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(frame=st.binary(max_size=200))
def test_no_frame_harms_the_server(inside: Path, frame: bytes):
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(10)
        caller.connect(str(inside))
        send(caller, frame)
        size = int.from_bytes(caller.recv(4), "big")
        answer = msgspec.msgpack.decode(caller.recv(size), type=Answer)
        assert answer.failure is None or answer.failure.code.startswith(("unit.", "key."))
    assert ProcessUnit(inside).traits.kind == "process"


def test_a_frame_that_is_too_large_or_cut_short_ends_its_connection_only(inside: Path):
    for head in ((MAX_FRAME + 1).to_bytes(4, "big"), b"\0\0"):
        with socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(10)
            caller.connect(str(inside))
            caller.sendall(head)
            if len(head) < 4:
                caller.shutdown(socket.SHUT_WR)
            assert caller.recv(10) == b""
    assert ProcessUnit(inside).handles() == []


# --- a token and a chip ---------------------------------------------------------------------------


def test_a_wrong_pin_and_a_missing_token_are_named(hsm_module: str, tmp_path: Path):
    from kizuna.roots.units.pkcs11 import Pkcs11Unit  # noqa: PLC0415 - needs its extra

    for pin in ("9999", ""):
        made = lambda p=pin: Pkcs11Unit(hsm_module, "kizuna", p, tmp_path / "r")  # noqa: E731
        assert _code(made) == "unit.pin-wrong"
    assert _code(lambda: Pkcs11Unit(hsm_module, "none", "1234", tmp_path)) == "unit.no-token"
    assert _code(lambda: Pkcs11Unit("/none.so", "kizuna", "1234", tmp_path)) == "unit.module"


def test_registers_beside_a_token_outlive_the_process_and_notice_a_change(
    hsm_module: str, tmp_path: Path
):
    from kizuna.roots.units.pkcs11 import Pkcs11Unit  # noqa: PLC0415 - needs its extra

    file = tmp_path / "registers"
    unit = Pkcs11Unit(hsm_module, "kizuna", "1234", file)
    unit.extend(3, bytes(32), b"first")
    values = unit.registers()
    unit.close()
    again = Pkcs11Unit(hsm_module, "kizuna", "1234", file)
    assert again.registers() == values
    again.close()
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    broken = Pkcs11Unit(hsm_module, "kizuna", "1234", file)
    assert _code(broken.registers) == "unit.registers-damaged"
    broken.close()


def test_a_chip_that_goes_away_is_told_and_comes_back(new_swtpm, tmp_path: Path):
    from kizuna.roots.units.tpm import TpmUnit  # noqa: PLC0415 - needs its extra

    swtpm = new_swtpm()
    unit = TpmUnit(swtpm.tcti, tmp_path / "wrapped", timeout=8)
    handle = unit.generate(Algorithm.ES256, "x")
    attest = unit.generate(Algorithm.ES256, "x", Purpose.ATTEST)
    swtpm.stop()
    assert _code(lambda: unit.quote(attest, b"a nonce", [0])) == "unit.size"
    assert _code(lambda: unit.quote(attest, b"a nonce ", [0])) == "unit.gone"
    swtpm.go_on()
    time.sleep(0.3)
    unit.sign(handle, b"word")
    swtpm.kill()
    for _ in range(2):
        assert _code(lambda: unit.quote(attest, b"a nonce ", [0])) == "unit.gone"
    swtpm.start()
    assert verify(unit.public(handle), unit.sign(handle, b"word"), b"word")
    unit.close()


def test_a_chip_killed_under_load_hangs_nobody(new_swtpm, tmp_path: Path):
    from kizuna.roots.units.tpm import TpmUnit  # noqa: PLC0415 - needs its extra

    swtpm = new_swtpm()
    unit = TpmUnit(swtpm.tcti, tmp_path / "wrapped", timeout=20)
    attest = unit.generate(Algorithm.ES256, "x", Purpose.ATTEST)
    codes: list[str] = []

    def work() -> None:
        try:
            while True:
                unit.quote(attest, bytes(8), range(9))
        except Problem as problem:
            codes.append(problem.code)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    swtpm.kill()
    for thread in threads:
        thread.join(120)
    assert codes == ["unit.gone"] * 3


def test_keys_of_a_chip_do_not_open_with_a_wrong_pin_nor_in_another_chip(new_swtpm, tmp_path: Path):
    from kizuna.roots.units.tpm import TpmUnit  # noqa: PLC0415 - needs its extra

    swtpm, other = new_swtpm(), new_swtpm()
    unit = TpmUnit(swtpm.tcti, tmp_path / "wrapped", pin=b"1234")
    handle = unit.generate(Algorithm.ES256, "x")
    box = unit.seal(b"word", [0])
    unit.close()
    wrong = TpmUnit(swtpm.tcti, tmp_path / "wrapped", pin=b"9999")
    assert _code(lambda: wrong.sign(handle, b"word")) == "unit.pin-wrong"
    wrong.close()
    foreign = TpmUnit(other.tcti, tmp_path / "wrapped", pin=b"1234")
    assert _code(lambda: foreign.sign(handle, b"word")) == "unit.chip-refused"
    assert _code(lambda: foreign.unseal(box)) == "unit.box"
    foreign.close()


def test_a_key_bound_to_registers_is_refused_by_the_chip_once_they_change(
    new_swtpm, tmp_path: Path
):
    from kizuna.roots.units.tpm import TpmUnit  # noqa: PLC0415 - needs its extra

    unit = TpmUnit(new_swtpm().tcti, tmp_path / "wrapped")
    handle = unit.generate_bound("gate", Purpose.SIGN, [16])
    assert verify(unit.public(handle), unit.sign(handle, b"word"), b"word")
    unit.extend(16, bytes(32), b"another program")
    assert _code(lambda: unit.sign(handle, b"word")) == "unit.registers-changed"
    unit.close()


@pytest.mark.parametrize("pin", [b"", b"1234"])
def test_keys_bound_to_registers_certify_quote_and_agree_until_they_change(
    new_swtpm, tmp_path: Path, pin: bytes
):
    from kizuna.roots.units.tpm import TpmUnit  # noqa: PLC0415 - needs its extra

    unit = TpmUnit(new_swtpm().tcti, tmp_path / "wrapped", pin=pin)
    attesting = unit.generate_bound("attest", Purpose.ATTEST, [16])
    agreeing = unit.generate_bound("agree", Purpose.AGREE, [16])
    free = unit.generate(Algorithm.ES256, "free")
    peer = EphemeralUnit(b"peer")
    other = peer.public(peer.generate(Algorithm.ES256, "p", Purpose.AGREE))
    uses = [
        lambda: unit.certify(attesting, free),
        lambda: unit.certify(attesting, agreeing),
        lambda: unit.certify(attesting, other),
        lambda: unit.quote(attesting, b"n" * 16, [16]),
        lambda: unit.ecdh(agreeing, other, b"info"),
    ]
    for use in uses:
        use()
    unit.extend(16, bytes(32), b"another program")
    assert {_code(use) for use in uses} == {"unit.registers-changed"}
    unit.close()


def test_a_damaged_file_of_wrapped_keys_is_named(new_swtpm, tmp_path: Path):
    from kizuna.roots.units.tpm import TpmUnit  # noqa: PLC0415 - needs its extra

    unit = TpmUnit(new_swtpm().tcti, tmp_path / "wrapped")
    handle = unit.generate(Algorithm.ES256, "x")
    data = (tmp_path / "wrapped").read_bytes()
    (tmp_path / "wrapped").write_bytes(data[:-10])
    assert _code(unit.handles) == "unit.damaged"
    (tmp_path / "wrapped").write_bytes(data)
    assert unit.sign(handle, b"word")
    unit.close()
