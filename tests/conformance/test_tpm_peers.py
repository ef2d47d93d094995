# SPDX-License-Identifier: Apache-2.0
"""A real TPM (swtpm) and its own tools: what we accept they accept, what we refuse they refuse."""

import os
import subprocess
from collections.abc import Callable, Iterator
from hashlib import sha1, sha256
from pathlib import Path

import pytest

from kizuna.roots.boot.credential import is_answer, make_challenge
from kizuna.roots.boot.eventlog import read_tcg, replay
from kizuna.roots.boot.public import OWNER, PublicArea, qualified_name, read_public
from kizuna.roots.boot.quote import (
    QuoteFault,
    check_quote,
    read_quote,
    read_registers,
    write_registers,
)
from kizuna.roots.boot.signature import read_signature
from kizuna.roots.keys import PublicKey

TOOLS = ("swtpm", "swtpm_setup", "tpm2_quote", "tpm2_checkquote", "tpm2_eventlog")
NONCE = bytes(range(32))


class Tpm:
    """One software TPM and its command-line tools, in a folder."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.environment = {
            **os.environ,
            "TPM2TOOLS_TCTI": f"swtpm:host=127.0.0.1,port={port}",
            "TSS2_LOG": "all+NONE",
        }

    def run(self, line: str, *, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            line.split(), cwd=self.folder, env=self.environment, check=check, capture_output=True
        )

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        (self.folder / name).write_bytes(data)

    def quote(self, name: str = "ak", nonce: bytes = NONCE, registers: str = "0,7,16") -> None:
        self.run("tpm2_flushcontext -t")
        scheme = " --scheme rsapss" if name == "pss" else ""
        self.run(
            f"tpm2_quote -c {name}.ctx{scheme} -l sha256:{registers} -q {nonce.hex()}"
            " -m quote.msg -s quote.sig -o quote.pcrs -g sha256"
        )

    def accepts(self, name: str = "ak", nonce: bytes = NONCE) -> bool:
        """Whether ``tpm2_checkquote`` takes what lies in the folder."""
        done = self.run(
            f"tpm2_checkquote -u {name}.pem -m quote.msg -s quote.sig -f quote.pcrs"
            f" -g sha256 -q {nonce.hex()}",
            check=False,
        )
        return done.returncode == 0


KINDS = {"ak": "-G ecc -s ecdsa", "rsa": "-G rsa -s rsassa", "pss": "-G rsa -s rsapss"}


@pytest.fixture(scope="module")
def tpm(tmp_path_factory: pytest.TempPathFactory, served_chip, peers) -> Iterator[Tpm]:
    peers(*TOOLS)
    folder = tmp_path_factory.mktemp("swtpm")
    subprocess.run(
        f"swtpm_setup --tpm2 --tpmstate {folder} --create-ek-cert --create-platform-cert"
        " --lock-nvram --overwrite --pcr-banks sha256".split(),
        check=True,
        capture_output=True,
    )
    with served_chip(folder) as port:
        made = Tpm(folder, port)
        for name, kind in KINDS.items():
            made.run(
                f"tpm2_createak -C 0x81010001 -c {name}.ctx -g sha256 {kind} -u {name}.pub -f tss"
                f" -n {name}.name"
            )
            made.run("tpm2_flushcontext -t")
            made.run(f"tpm2_readpublic -c {name}.ctx -f pem -o {name}.pem")
            made.run("tpm2_flushcontext -t")
        made.run("tpm2_readpublic -c 0x81010001 -f tss -o ek.pub")
        made.run(f"tpm2_pcrextend 16:sha256={sha256(b'app').hexdigest()}")
        yield made


def faults(tpm: Tpm, name: str = "ak", nonce: bytes = NONCE) -> tuple[QuoteFault, ...]:
    key = PublicKey.from_pem(tpm.read(f"{name}.pem"))
    return check_quote(
        tpm.read("quote.msg"),
        read_signature(tpm.read("quote.sig")),
        key,
        nonce=nonce,
        registers=read_registers(tpm.read("quote.pcrs")),
    )


@pytest.mark.parametrize("name", ["ak", "rsa", "pss"])
def test_a_fresh_quote_is_accepted_by_both(tpm: Tpm, name: str):
    tpm.quote(name, registers="0,1,2,3,4,5,6,7,16")
    assert faults(tpm, name) == ()
    assert tpm.accepts(name) or name == "pss"  # not every release of the tool knows PSS
    area, endorsement = read_public(tpm.read(f"{name}.pub")), read_public(tpm.read("ek.pub"))
    assert area.is_attestation_key
    assert area.name == tpm.read(f"{name}.name")
    assert area.key == PublicKey.from_pem(tpm.read(f"{name}.pem"))
    signer = read_quote(tpm.read("quote.msg")).signer
    assert signer == qualified_name(area.name, qualified_name(endorsement.name))
    assert signer != qualified_name(area.name, OWNER)


def flip(name: str, at: int) -> Callable[[Tpm], None]:
    def change(tpm: Tpm) -> None:
        data = bytearray(tpm.read(name))
        data[at] ^= 1
        tpm.write(name, bytes(data))

    return change


def other_value(tpm: Tpm) -> None:
    registers = read_registers(tpm.read("quote.pcrs"))
    tpm.write("quote.pcrs", write_registers(registers | {("sha256", 16): b"\x01" * 32}))


def other_selection(tpm: Tpm) -> None:
    registers = read_registers(tpm.read("quote.pcrs"))
    value = registers.pop(("sha256", 7))
    tpm.write("quote.pcrs", write_registers(registers | {("sha256", 8): value}))


@pytest.mark.parametrize(
    ("change", "nonce", "fault"),
    [
        (lambda _: None, bytes(32), QuoteFault.NONCE),
        (flip("quote.sig", -1), NONCE, QuoteFault.SIGNATURE),
        (flip("quote.msg", 83), NONCE, QuoteFault.SIGNATURE),  # a bit of the clock
        (other_value, NONCE, QuoteFault.REGISTERS),
        (other_selection, NONCE, QuoteFault.SELECTION),
    ],
    ids=["nonce", "signature", "clock", "value", "selection"],
)
def test_what_does_not_fit_is_refused_by_both(
    tpm: Tpm, change: Callable[[Tpm], None], nonce: bytes, fault: QuoteFault
):
    tpm.quote()
    assert faults(tpm) == ()
    change(tpm)
    assert fault in faults(tpm, nonce=nonce)
    if fault is not QuoteFault.SELECTION:
        assert not tpm.accepts(nonce=nonce)
    # the tool takes another selection with the same values: it compares the digest alone


def test_only_this_tpm_opens_the_challenge_for_its_key(tpm: Tpm):
    endorsement = read_public(tpm.read("ek.pub"))
    for name, opens in (("ak", True), ("rsa", False)):
        challenge = make_challenge(endorsement, read_public(tpm.read("ak.pub")).name)
        tpm.write("challenge", challenge.to_file())
        tpm.run("tpm2_flushcontext -t")
        tpm.run("tpm2_startauthsession --policy-session -S session.ctx")
        tpm.run("tpm2_policysecret -S session.ctx -c e")
        done = tpm.run(
            f"tpm2_activatecredential -c {name}.ctx -C 0x81010001 -i challenge -o answer"
            " -P session:session.ctx",
            check=False,
        )
        tpm.run("tpm2_flushcontext session.ctx")
        tpm.run("tpm2_flushcontext -t")
        assert (done.returncode == 0) is opens
        if opens:
            assert is_answer(challenge, tpm.read("answer"))


def test_an_elliptic_endorsement_key_opens_its_challenge_too(tpm: Tpm):
    tpm.run("tpm2_flushcontext -t")
    tpm.run("tpm2_createek -c ekecc.ctx -G ecc -u ekecc.pub -f tss")
    tpm.run("tpm2_flushcontext -t")
    tpm.run("tpm2_createak -C ekecc.ctx -c ak2.ctx -G ecc -g sha256 -s ecdsa -u ak2.pub -f tss")
    tpm.run("tpm2_flushcontext -t")
    endorsement: PublicArea = read_public(tpm.read("ekecc.pub"))
    challenge = make_challenge(endorsement, read_public(tpm.read("ak2.pub")).name)
    tpm.write("challenge", challenge.to_file())
    tpm.run("tpm2_startauthsession --policy-session -S session.ctx")
    tpm.run("tpm2_policysecret -S session.ctx -c e")
    tpm.run(
        "tpm2_activatecredential -c ak2.ctx -C ekecc.ctx -i challenge -o answer"
        " -P session:session.ctx"
    )
    tpm.run("tpm2_flushcontext session.ctx")
    tpm.run("tpm2_flushcontext -t")
    assert is_answer(challenge, tpm.read("answer"))


def le(number: int, size: int = 4) -> bytes:
    return number.to_bytes(size, "little")


def firmware_log() -> bytes:
    """A boot log as PC firmware writes it, with both banks. (Not every release of the tool heeds
    the locality of the start, so there is none here.)
    """

    def event(register: int, kind: int, data: bytes) -> bytes:
        acts = kind != 3
        one = sha1(data, usedforsecurity=False).digest() if acts else bytes(20)
        two = sha256(data).digest() if acts else bytes(32)
        head = le(register) + le(kind) + le(2)
        return head + le(4, 2) + one + le(0xB, 2) + two + le(len(data)) + data

    spec = b"Spec ID Event03\0" + le(0) + bytes((0, 2, 0, 2)) + le(2)
    spec += le(4, 2) + le(20, 2) + le(0xB, 2) + le(32, 2) + b"\0"
    first = le(0) + le(3) + bytes(20) + le(len(spec)) + spec
    events = [
        event(0, 8, "1.2\0".encode("utf-16-le")),
        *(event(register, 4, bytes(4)) for register in range(8)),
        event(4, 0x80000007, b"Calling EFI Application from Boot Option"),
        event(5, 0x80000007, b"Exit Boot Services Invocation"),
    ]
    return first + b"".join(events)


def test_a_replayed_log_gives_the_registers_that_the_tools_give(tpm: Tpm):
    tpm.write("log", firmware_log())
    told = tpm.run("tpm2_eventlog log").stdout.decode()
    section = told[told.index("pcrs:") :]
    log = read_tcg(firmware_log())
    for bank in ("sha1", "sha256"):
        lines = section[section.index(f"{bank}:") :].splitlines()[1:]
        found = {}
        for line in lines:
            number, _, value = line.strip().partition(" : 0x")
            if not value:
                break
            found[int(number)] = bytes.fromhex(value)
        assert found == replay(log, bank)
