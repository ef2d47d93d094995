# SPDX-License-Identifier: Apache-2.0
"""Attacks on the doors for devices, with tokens of real devices: nothing passes, nothing changes.

What an attacker has: evidence that was published or heard on the network, other devices' keys, and
time. What the verifier must keep: standings, its head of the log, and its voice.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kizuna.app.wiring.devices.attesting import attest
from kizuna.app.wiring.devices.fleet import Keeper, Piece, keeper_of
from kizuna.app.wiring.devices.life import Enrolment, Lives
from kizuna.app.wiring.devices.messages import evidence as handed_in
from kizuna.app.wiring.server import background
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Malformed, Refused
from kizuna.proof.attestation.ear import read_ear, read_jwt
from kizuna.proof.attestation.reference import Reference
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.proof.attestation.schemes.hmac import make_token, tiny_claims
from kizuna.proof.attestation.schemes.tpm.evidence import write_evidence
from kizuna.roots.boot.quote import digest_of
from kizuna.roots.cose import SharedKey, decode, encode, sign1
from kizuna.roots.keys import Algorithm, PublicKey
from kizuna.roots.units import EphemeralUnit
from kizuna.worlds.party import SetClock

NOW = 1_795_305_600
BOARD, OTHER, SENSOR, CHIP, REAL = (
    f"urn:dev:ops:000000-{n}" for n in ("board", "other", "sensor", "chip", "real")
)
CBOR = {"content-type": "application/cbor"}
UNIT = EphemeralUnit(b"attacks")
KEYS = {name: UNIT.generate(Algorithm.ES256, name) for name in (BOARD, OTHER, CHIP)}
SECRET = SharedKey(b"a secret of thirty-two bytes ..!")
MODEL = b"implementation-id-under-attack.."
HELD = {("sha256", number): bytes([number + 1]) * 32 for number in range(4)}
ASKED = {"selection": (("sha256", (0, 1, 2, 3)),)}


def token(name: str, nonce: bytes, digest: bytes = b"d" * 32) -> bytes:
    claims = {
        265: "tag:psacertified.org,2023:psa#tfm",
        10: nonce,
        256: b"\x01" + sha256(name.encode()).digest(),
        2394: 1,
        2395: 0x3000,
        2396: MODEL,
        2399: [{1: "BL", 2: digest, 5: b"s" * 32}],
    }
    return sign1(UNIT, KEYS[name], {}, encode(claims))


def tiny(nonce: bytes, sequence: int, boot: int = 1) -> bytes:
    claims = tiny_claims(
        identity=b"\x01" + bytes(16),
        boot=boot,
        sequence=sequence,
        nonce=nonce,
        measurements={"fw": b"f" * 32},
    )
    return make_token(SECRET, claims)


def quote(nonce: bytes, clock: int = 5000) -> bytes:
    attest = b"".join(
        (
            b"\xffTCG\x80\x18\x00\x22\x00\x0b" + bytes(32),
            b"\x00\x20" + nonce,
            clock.to_bytes(8, "big") + bytes(8) + b"\x01" + bytes(8),
            b"\x00\x00\x00\x01\x00\x0b\x03\x0f\x00\x00",
            b"\x00\x20" + (digest_of(ASKED["selection"], HELD) or b""),
        )
    )
    raw = UNIT.sign(KEYS[CHIP], attest)
    signature = b"\x00\x18\x00\x0b\x00\x20" + raw[:32] + b"\x00\x20" + raw[32:]
    return write_evidence(attest, signature, HELD, node=b"chip")


class Scene:
    """A verifier with four devices that attested well a minute ago."""

    def __init__(self, workspace: Workspace, clock: SetClock) -> None:
        self.workspace, self.clock = workspace, clock
        self.keeper: Keeper = keeper_of(workspace)
        values = [("BL", MODEL.hex(), b"d" * 32), ("fw", "sensor", b"f" * 32)]
        values += [(str(n), "server", value) for (_, n), value in HELD.items()]
        self.keeper.accept_references(
            Reference(model=m, component=c, digest_alg="sha-256", digest=d, signed=True)
            for c, m, d in values
        )
        self.keeper.enrol(
            [
                *(
                    Enrolled(scheme="psa", subject=name, key=UNIT.public(KEYS[name]))
                    for name in (BOARD, OTHER)
                ),
                Enrolled(scheme="hmac", subject=SENSOR, key=SECRET, reference="sensor"),
                Enrolled(
                    scheme="tpm",
                    subject=CHIP,
                    key=UNIT.public(KEYS[CHIP]),
                    reference="server",
                    about=ASKED,
                ),
            ]
        )
        self.heard = self.evidence()
        answers = self.hear(*self.heard.items())
        assert set(answers) == {("affirming", "affirming", "")}
        self.clock.now += 60
        self.keeper.tick()
        self.keeper.settle()

    def nonce(self) -> bytes:
        epochs = self.keeper.epochs
        return epochs.nonce(epochs.number(self.clock()))

    def evidence(self, clock: int = 5000) -> dict[str, bytes]:
        nonce = self.nonce()
        return {
            BOARD: token(BOARD, nonce),
            OTHER: token(OTHER, nonce),
            SENSOR: tiny(nonce, clock),
            CHIP: quote(nonce, clock),
        }

    def hear(self, *pieces: tuple[str, bytes], source: str = "net") -> list[tuple[str, str, str]]:
        found = self.keeper.hear([Piece(*piece) for piece in pieces], source)
        return [(one.status, one.standing, one.reason) for one in found]

    def unmoved(self, before: int) -> None:
        """No standing changed, nothing was registered, and the devices are still heard."""
        self.keeper.tick()
        self.keeper.settle()
        assert self.keeper.counts()["affirming"] == 4
        assert self.workspace.head().size == before
        answers = self.hear(*self.evidence(9000).items())
        assert {(status, standing) for status, standing, _ in answers} == {
            ("affirming", "affirming")
        }


@pytest.fixture
def scene(tmp_path: Path):
    clock = SetClock(NOW)
    settings_ = Settings(store=tmp_path / "store", clock=clock)
    with Workspace.init(settings_.store, "Attacked", now=NOW, settings=settings_) as workspace:
        made = Scene(workspace, clock)
        yield made
        made.keeper.close()


def flips(data: bytes, step: int = 1):
    for at in range(0, len(data), step):
        yield data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize("name", [BOARD, SENSOR, CHIP])
def test_every_flipped_byte_of_fresh_evidence_changes_nothing(scene: Scene, name: str) -> None:
    """In every byte, also of the parts that no signature covers; the device's own comes last.

    One that only touches the name beside a quote is the chip's own word still, and heard once.
    """
    before = scene.workspace.head().size
    fresh = scene.evidence(6000)[name]

    answers = scene.hear(*((name, changed) for changed in flips(fresh)), source="attacker")

    assert {standing for _, standing, _ in answers} == {"affirming"}
    affirmed = [one for one in answers if one[0] == "affirming"]
    assert len(affirmed) == (len(b"chip") if name == CHIP else 0)
    assert scene.keeper.alarms().get("two-streams", 0) == 0
    scene.unmoved(before)


def test_a_signature_turned_around_is_the_same_word(scene: Scene) -> None:
    """(r, -s) is right wherever (r, s) is: sent for an hour, it makes no clone of the device."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    for _ in range(5):
        scene.clock.now += 60
        scene.keeper.tick()
        fresh = scene.evidence(scene.clock.now)
        s = int.from_bytes(fresh[BOARD][-32:], "big")
        turned = fresh[BOARD][:-32] + (order - s).to_bytes(32, "big")
        beside = fresh[CHIP].replace(b"chip", b"none")
        scene.hear(*fresh.items(), source="own")
        answers = scene.hear((BOARD, turned), (CHIP, beside), source="attacker")
        assert [one[:2] for one in answers] == [("affirming", "affirming")] * 2
    assert set(scene.keeper.alarms()) <= {"stale"}


@pytest.mark.parametrize("name", [BOARD, SENSOR, CHIP])
def test_every_length_of_cut_evidence_changes_nothing(scene: Scene, name: str) -> None:
    before = scene.workspace.head().size
    fresh = scene.evidence(6000)[name]

    answers = scene.hear(*((name, fresh[:size]) for size in range(len(fresh))))

    assert {standing for _, standing, _ in answers} == {"affirming"}
    assert not {status for status, _, _ in answers} & {"affirming", "contraindicated"}
    scene.unmoved(before)


def test_evidence_of_one_device_in_another_s_name_changes_nothing(scene: Scene) -> None:
    before = scene.workspace.head().size
    fresh = scene.evidence(6000)
    crossed = [(mine, fresh[others]) for mine in fresh for others in fresh if mine != others]

    answers = scene.hear(*crossed)

    assert "affirming" not in {status for status, _, _ in answers}
    assert {standing for _, standing, _ in answers} == {"affirming"}
    scene.unmoved(before)


def test_evidence_of_an_epoch_that_is_over_and_of_one_to_come_changes_nothing(scene: Scene) -> None:
    before = scene.workspace.head().size
    epochs = scene.keeper.epochs
    number = epochs.number(scene.clock())
    foreign = sha256(b"guessed").digest()
    stale = [epochs.nonce(number - 3), epochs.nonce(number + 1), foreign]

    answers = scene.hear(
        *((BOARD, token(BOARD, nonce)) for nonce in stale),
        *((CHIP, quote(nonce, 7000)) for nonce in stale),
        *((SENSOR, tiny(nonce, 7000)) for nonce in stale),
        *scene.heard.items(),
    )

    assert {standing for _, standing, _ in answers} == {"affirming"}
    assert "affirming" not in {status for status, _, _ in answers}
    scene.unmoved(before)


def test_a_challenge_of_one_device_is_worth_nothing_to_another(scene: Scene) -> None:
    before = scene.workspace.head().size
    nonce = scene.keeper.challenge(OTHER)

    (answer,) = scene.hear((BOARD, token(BOARD, nonce)))
    assert answer == ("none", "affirming", "attestation.nonce-differs")
    (own, again) = scene.hear((OTHER, token(OTHER, nonce)), (OTHER, token(OTHER, nonce)))
    assert own == ("affirming", "affirming", "")
    assert again[1] == "affirming"
    scene.unmoved(before)


def test_unsigned_parts_of_a_quote_are_nobody_s_word(scene: Scene) -> None:
    """Another node, other values, another log: the chip signed none of it."""
    before = scene.workspace.head().size
    whole = decode(decode(quote(scene.nonce(), 6000))[1])
    changed = [
        whole | {"node": b"none"},
        whole | {"registers": {"sha256": {n: bytes(32) for n in range(4)}}},
        whole | {"registers": {"sha256": {0: bytes(32)}}},
        whole | {"unit": [[0, bytes(32), "other"]]},
        whole | {"log": b"\x00" * 64},
        whole | {"ima": b"10 nothing"},
        whole | {"epoch": 5},
    ]

    wrapped = [encode(["application/vnd.kizuna.tpm+cbor", encode(one)]) for one in changed]
    answers = scene.hear(*((CHIP, one) for one in wrapped), source="attacker")

    assert {standing for _, standing, _ in answers} == {"affirming"}
    scene.unmoved(before)


def test_a_flood_in_a_device_s_name_leaves_its_room_to_the_device(scene: Scene) -> None:
    before = scene.workspace.head().size
    noise = [(BOARD, b"\xd2\x84noise %d" % number) for number in range(3000)]
    forged = [
        (BOARD, token(OTHER, scene.nonce(), number.to_bytes(32, "big"))) for number in range(50)
    ]

    answers = scene.hear(*noise, *forged, source="attacker")

    assert {standing for _, standing, _ in answers} == {"affirming"}
    scene.unmoved(before)


def test_published_tokens_of_strangers_change_nothing(scene: Scene, shared: Path) -> None:
    before = scene.workspace.head().size
    folder = shared / "vectors"
    files = [
        file
        for room in ("psa-token", "veraison", "tpm-quote", "corim")
        for file in sorted((folder / room).rglob("*"))
        if file.is_file()
        and file.suffix not in (".json", ".md", ".rego")
        and file.stat().st_size < 65_536
    ]
    assert len(files) > 100

    for name in (BOARD, SENSOR, CHIP):
        answers = scene.hear(*((name, file.read_bytes()) for file in files))
        assert "affirming" not in {status for status, _, _ in answers}
        assert {standing for _, standing, _ in answers} == {"affirming"}
    scene.unmoved(before)


def test_a_real_token_counts_for_its_own_device_alone_and_not_after_its_day(
    scene: Scene, shared: Path
) -> None:
    """The published Veraison token, under its published key: authentic, and of another day."""
    folder = shared / "vectors/veraison"
    good = next(iter(sorted(folder.rglob("psa.good.cose"))), None) or next(
        iter(sorted(folder.rglob("*psa*good*.c*")))
    )
    jwk = json.loads((folder / "integration-tests/data/keys/ec.p256.jwk").read_bytes())
    public = PublicKey.from_jwk({k: v for k, v in jwk.items() if k in ("kty", "crv", "x", "y")})
    scene.keeper.enrol([Enrolled(scheme="psa", subject=REAL, key=public)])

    (answer, crossed) = scene.hear((REAL, good.read_bytes()), (BOARD, good.read_bytes()))

    assert answer[:2] == ("none", "none")
    assert crossed[1] == "affirming"


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from([BOARD, SENSOR, CHIP, "x", "urn:a:b"]), st.binary(max_size=300)),
        max_size=20,
    )
)
def test_noise_changes_nothing(scene: Scene, pieces: list[tuple[str, bytes]]) -> None:
    before = scene.workspace.head().size
    answers = scene.hear(*pieces)
    assert {standing for _, standing, _ in answers} <= {"affirming", ""}
    assert scene.workspace.head().size == before


def test_attacks_over_http_leave_the_door_open(scene: Scene) -> None:
    before = scene.workspace.head().size
    fresh = scene.evidence(6000)
    with background(scene.workspace) as (host, port):
        url = f"http://{host}:{port}/api/devices/evidence"
        with httpx.Client() as http:
            for body in (
                encode([[BOARD, fresh[CHIP]], [CHIP, fresh[BOARD]], [SENSOR, b""]]),
                encode([[BOARD, fresh[BOARD][:-1]]] * 4096),
                encode([[BOARD, bytes(300 << 10)]]),
                encode([["\u202e" + BOARD, fresh[BOARD]]]),
            ):
                answer = http.post(url, content=body, headers=CBOR)
                assert answer.status_code == 200
                assert not any(one[0] == "affirming" for one in decode(answer.content))
            huge = http.post(url, content=bytes(5 << 20), headers=CBOR)
            assert huge.status_code in (400, 413)
            good = encode([[name, data] for name, data in fresh.items()])
            told = decode(http.post(url, content=good, headers=CBOR).content)
            assert [one[:2] for one in told] == [["affirming", "affirming"]] * 4
    assert scene.workspace.head().size == before


# --- results ------------------------------------------------------------------------------------


def test_a_result_is_signed_for_good_evidence_where_it_is_asked_for(scene: Scene) -> None:
    key = scene.workspace.unit.public(scene.workspace.handle)
    fresh = scene.evidence(6000)

    body = encode([[BOARD, fresh[BOARD], True], [CHIP, fresh[CHIP]], [OTHER, b"noise", True]])
    board, chip, noise = decode(handed_in(scene.keeper, body, "net"))

    assert (board[:3], chip, noise[3]) == (
        ["affirming", "affirming", ""],
        ["affirming", "affirming", ""],
        b"",
    )
    (ear,) = read_ear(board[3], key)
    assert (ear.name, ear.status.value, ear.vector.executables) == (BOARD, "affirming", 2)
    assert len(ear.vector.numbers) == 8
    assert ear.evidence == sha256(fresh[BOARD]).hexdigest()
    with pytest.raises(Malformed):
        handed_in(scene.keeper, encode([[BOARD, b"x", True]] * 65), "net")


@pytest.mark.parametrize("as_jwt", [False, True])
def test_a_person_gets_the_result_of_good_and_of_bad_evidence(scene: Scene, as_jwt: bool) -> None:
    workspace, read = scene.workspace, read_jwt if as_jwt else read_ear
    key = workspace.unit.public(workspace.handle)
    good = token(BOARD, scene.nonce())
    bad = token(OTHER, scene.nonce(), b"e" * 32)

    told, result = attest(workspace, BOARD, good, as_jwt=as_jwt)
    assert told["standing"] == "affirming"
    assert [ear.status.value for ear in read(result or b"", key)] == ["affirming"]
    told, result = attest(workspace, OTHER, bad, as_jwt=as_jwt)
    assert told["standing"] == "contraindicated"
    (ear,) = read(result or b"", key)
    assert (ear.status.value, ear.vector.executables) == ("contraindicated", 96)
    kept = {file.name for file in (workspace.path / "fleet/results").iterdir()}
    assert sha256(result or b"").hexdigest() in kept
    told, result = attest(workspace, OTHER, b"noise", as_jwt=as_jwt)
    assert result is None


def test_a_retired_device_is_told_so(scene: Scene) -> None:
    workspace = scene.workspace
    name = "urn:dev:ops:000000-old"
    lives = Lives(workspace)
    lives.enrol(name, Enrolment(key=("k", UNIT.public(KEYS[BOARD]).to_pem()), scheme="psa"))
    lives.retire(name)
    scene.keeper.tick()

    (answer,) = scene.hear((name, token(BOARD, scene.nonce())))
    assert answer == ("refused", "none", "ended")
    scene.keeper.close()
    with pytest.raises(Refused) as told:
        attest(workspace, name, token(BOARD, scene.nonce()))
    assert told.value.code == "fleet.device-ended"
    assert "history" in told.value.hint
