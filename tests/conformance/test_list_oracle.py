# SPDX-License-Identifier: Apache-2.0
"""Lists published here are read by an independent reader, the package ``openvc-core``.

It is under the LGPL, so it stays outside: in an environment of its own, made once, and asked there.
"""

import json
import subprocess

import pytest

from kizuna.app.wiring.lists.publishing import Publishing
from kizuna.app.wiring.lists.status import StatusLists
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Claim, Status, Target
from kizuna.roots.identity import did_key
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

WANTED = "openvc-core==1.37.0"
SCRIPT = """
import json, sys
from cryptography import x509
from openvc.trustlist import consume_lote
told = []
for case in json.load(sys.stdin):
    certificate = x509.load_pem_x509_certificate(case["certificate"].encode())
    try:
        found = consume_lote(case["list"], expected_signer_certs=[certificate])
        told.append({
            "sequence": found.sequence_number,
            "operator": found.scheme_operator,
            "territory": found.territory,
            "names": sorted(p.name for p in found.providers),
            "due": found.next_update.isoformat(),
        })
    except Exception as fault:
        told.append({"fault": type(fault).__name__})
print(json.dumps(told))
"""
STATUS = """
import json, sys
from openvc.status.issue import verify_status_list_token
from openvc.status.token_status_list import decode_status_list, get_status
case = json.load(sys.stdin)
claims = verify_status_list_token(
    case["token"], public_key_jwk=case["key"], expected_uri=case["address"]
)
inner = claims["status_list"]
data = decode_status_list(inner["lst"])
print(json.dumps([get_status(data, i, bits=inner["bits"]) for i in case["indices"]]))
"""


@pytest.fixture(scope="session")
def oracle(interpreter_with):
    python = interpreter_with(WANTED)

    def ask(script, question):
        done = subprocess.run(
            [str(python), "-c", script],
            input=json.dumps(question),
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    return ask


@pytest.fixture
def workspace(tmp_path):
    settings = Settings(store=tmp_path / "store")
    with Workspace.init(
        settings.store, "Association", now=settings.clock(), settings=settings
    ) as made:
        yield made


def a_member():
    unit = EphemeralUnit()
    return did_key(unit.public(unit.generate(Algorithm.ES256, "member")))


def test_an_independent_reader_agrees_on_a_published_list(workspace, oracle):
    workspace.lists.create("makers", title="Makers")
    for name in ("Aki", "Ben", "Cho"):
        workspace.lists.add(
            a_member(), roles=["maker"], scope=[f"pkg:npm/{name.lower()}"], name=name,
            list_name="makers",
        )  # fmt: skip
    publishing = Publishing(workspace, workspace.lists)
    data, told = publishing.publish("makers", territory="JP")
    certificate = publishing.certificate_pem("JP").decode()
    text = data.decode()
    head, body, _ = text.split(".")
    other = publishing.publish("makers", territory="JP", again=True)[0].decode().split(".")
    found = oracle(
        SCRIPT,
        [
            {"list": text, "certificate": certificate},
            {"list": f"{head}.{body}.{other[2]}", "certificate": certificate},
            {"list": text, "certificate": publishing.certificate_pem("DE").decode()},
        ],
    )
    assert found[0] == {
        "sequence": 1,
        "operator": "Association",
        "territory": "JP",
        "names": ["Aki", "Ben", "Cho"],
        "due": told["next_update"].replace("Z", "+00:00"),
    }
    assert [case.get("fault") for case in found[1:]] == ["TrustListSignatureError"] * 2


def test_an_independent_reader_agrees_on_a_status_list(workspace, oracle):
    member = a_member()
    workspace.lists.add(member, roles=["assessor"])
    said = [
        workspace.register_one(
            workspace.sign(
                Kind.CERTIFICATE,
                "pkg:generic/aki/fan@1",
                Claim(type=f"paper-{n}"),
            )
        )
        for n in range(3)
    ]
    for (digest, _), action in zip(said[1:], (Action.REVOKE, Action.SUSPEND), strict=True):
        status = Status(action=action, target=Target(statement=digest), reason="because")
        workspace.register_one(workspace.sign(Kind.STATUS, "pkg:generic/aki/fan@1", status))
    lists = StatusLists(workspace)
    address = "https://store.example/api/status-list"
    lists.publish(address=address)
    question = {
        "token": lists.served()[1].decode(),
        "key": workspace.unit.public(workspace.handle).to_jwk(),
        "address": address,
        "indices": [index for _, index in said],
    }
    assert oracle(STATUS, question) == [0, 1, 2]
