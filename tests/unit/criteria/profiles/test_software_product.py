# SPDX-License-Identifier: Apache-2.0
"""The shipped profile for software over real bills of materials, as an ordinary importer sees."""

from collections import Counter

import pytest

from kizuna.chain.verify import judge
from kizuna.criteria.profiles import shipped_profile
from kizuna.model.finding import Code, Value
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Links, Notice, Severity
from kizuna.model.relation import Relation
from kizuna.model.statement import Interval, Registered
from kizuna.model.trust import Anchors, ListAnchor, LogAnchor
from kizuna.proof.documents import read
from kizuna.record.lists import Role, grant, list_id_of, service_for
from kizuna.roots.cose import parse_sign1, sign_statement
from kizuna.roots.identity import genesis_keys
from kizuna.roots.statement import decoded
from kizuna.roots.units import EphemeralUnit
from kizuna.worlds.party import new_party

NOW = 1_800_000_000
LOG = "importer.example/log"
PROFILE = shipped_profile("software-product")
WHAT_THE_OWNER_ADDS = (
    (Kind.EVIDENCE, "vulnerability-review", {"exploitable": 0}),
    (Kind.CAPABILITY, "vulnerability-contact", {"contact": "security@importer.example"}),
    (Kind.CAPABILITY, "support-period", {"until": "2030-03-31"}),
    (Kind.CAPABILITY, "nist-ssdf", {}),
    (Kind.EVIDENCE, "slsa-provenance", {"builder": "ci", "source": "git"}),
    (Kind.EVIDENCE, "release-signature", {"hashes": "sha-256:00"}),
    (Kind.EVIDENCE, "security-test", {}),
    (Kind.CAPABILITY, "secure-update", {}),
    (Kind.CAPABILITY, "secure-defaults", {}),
)


class Importer:
    """An ordinary organisation: its own list, on which only it stands, as itself."""

    def __init__(self) -> None:
        self.party = new_party(EphemeralUnit(b"importer"), "Importer", "輸入者")
        self.list_id = list_id_of(self.party.id, "own")
        self.log: list[Registered] = []
        self.say(Kind.MEMBERSHIP, self.party.id, grant(self.list_id, [service_for(Role.SELF)]))

    def say(self, kind, subject, payload):
        self.register(self.party.say(kind, subject, payload, NOW))

    def register(self, raw):
        envelope = parse_sign1(raw)
        (key,) = genesis_keys(envelope.issuer)
        self.log.append(
            Registered(
                statement=decoded(envelope, key),
                origin=LOG,
                index=len(self.log),
                registered=Interval(NOW, NOW),
            )
        )

    def take_in(self, data, name):
        imported = read(data, name)
        for draft in imported.statements:
            self.register(
                sign_statement(
                    self.party.unit,
                    self.party.handle,
                    issuer=self.party.id,
                    subject=draft.subject,
                    media_type=draft.media_type,
                    payload=draft.payload,
                    issued_at=NOW,
                )
            )
        return imported.root

    def judge(self, subject, at=NOW + 1):
        anchors = Anchors(
            lists=[ListAnchor(id=self.list_id, operator=self.party.id, name="own")],
            logs=[LogAnchor(origin=LOG, keys=["key"])],
            verifier=self.party.id,
        )
        return judge(self.log, subject, PROFILE, anchors, at=at)


@pytest.fixture
def importer():
    return Importer()


def test_a_real_bom_is_undetermined_until_its_owner_says_what_is_missing(shared, importer):
    bom = shared / "data/bom/SBOM/cern-lhc-vdm-editor-e564943/bom.json"
    root = importer.take_in(bom.read_bytes(), bom.name)
    first = importer.judge(root)
    assert first.value is Value.UNDETERMINED
    assert first.coverage.subjects == 44
    found = Counter((f.code, f.requirement, f.subject) for f in first.findings)
    asked = {r.id for r in PROFILE.requirements if r.place == "root"}
    assert found == {
        **{(Code.CLAIM_MISSING, requirement, root): 1 for requirement in asked},
        (Code.COMPLETENESS_UNPROVEN, "follow:part-of", root): 1,
    }

    for kind, word, claims in WHAT_THE_OWNER_ADDS:
        importer.say(kind, root, Claim(type=word, claims=claims))
    importer.say(Kind.LINK, root, Links(complete=[Relation.PART_OF], part="reviewed"))
    assert importer.judge(root).value is Value.TRUSTED
    later = importer.judge(root, at=NOW + 31 * 86_400)
    assert [(f.code, f.requirement) for f in later.findings] == [
        (Code.CLAIM_STALE, "vulnerabilities-reviewed")
    ]

    part = next(
        link.subject
        for item in importer.log
        if isinstance(item.statement.payload, Links)
        for link in item.statement.payload.links
        if link.relation is Relation.PART_OF and link.subject
    )
    importer.say(Kind.NOTICE, part, Notice(type="vulnerability", severity=Severity.HIGH))
    broken = importer.judge(root)
    assert broken.value is Value.UNTRUSTED
    assert [(f.code, f.subject) for f in broken.findings] == [(Code.NOTICE_ADVERSE, part)]


def test_a_review_that_found_something_exploitable_is_a_failed_condition(shared, importer):
    bom = shared / "data/bom/SBOM/cern-lhc-vdm-editor-e564943/bom.json"
    root = importer.take_in(bom.read_bytes(), bom.name)
    importer.say(Kind.EVIDENCE, root, Claim(type="vulnerability-review", claims={"exploitable": 2}))
    verdict = importer.judge(root)
    assert verdict.value is Value.UNTRUSTED
    assert Code.CONDITION_FAILED in {f.code for f in verdict.findings}
