# SPDX-License-Identifier: Apache-2.0
"""Profile documents are read whole, or refused with the line that is wrong."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.criteria.profiles import (
    SHIPPED,
    Counting,
    Place,
    Silence,
    from_document,
    from_norm,
    read_profile,
    shipped_profile,
    shipped_source,
    to_norm,
)
from kizuna.criteria.profiles.profile import duration_text, share_text
from kizuna.model.errors import Absent, Malformed
from kizuna.model.finding import Value
from kizuna.model.identifier import Element
from kizuna.model.kind import Kind
from kizuna.model.payload import Level, Norm, Severity
from kizuna.model.relation import Relation

GOOD = """\
profile: office-chair
version: 1.0
title: {en: Office chair, ja: 事務椅子}
requirements:
  - id: strength
    title: {en: It bears 120 kg}
    claim: [en-1335, jis-s-1203]
    from: certification-body
    kind: certificate
    for: component
    where: root
    level: third-party
    max_age: 3 years
    present: [laboratory]
    condition: claim.load_kg >= 120
    control: JIS-S-1203
    risk: safety
follow:
  - relation: part-of
    complete: true
    where: root
  - relation: part-of
    category: screws
    counts: share
    share: 92.5 %
  - {relation: made-by, counts: informative}
notices:
  - {types: [recall], from: [maker, coordinator], severity: medium}
  - {types: "*", from: coordinator}
silent: {default: refused, component: ignored}
waivers_from: [facility-operator, "did:web:Buyer.example"]
max_store_age: 36 hours
"""


def refused(text: str) -> Malformed:
    with pytest.raises(Malformed) as fault:
        read_profile(text.encode(), "chair.yaml")
    return fault.value


def test_a_document_becomes_typed_values():
    profile = read_profile(GOOD.encode())
    assert (profile.name, profile.version) == ("office-chair", "1.0")
    assert profile.title == {"en": "Office chair", "ja": "事務椅子"}
    (strength,) = profile.requirements
    assert strength.claim == ("en-1335", "jis-s-1203")
    assert strength.services == ("certification-body",)
    assert strength.kinds == (Kind.CERTIFICATE,)
    assert strength.elements == (Element.COMPONENT,)
    assert strength.place is Place.ROOT
    assert strength.level is Level.THIRD
    assert strength.max_age == 3 * 365 * 86_400
    assert strength.present == ("laboratory",)
    assert strength.missing is Value.UNDETERMINED
    assert strength.compiled().evaluate({"load_kg": 130}) is True
    plain, screws, made_by = profile.follow
    assert (plain.counts, plain.complete, plain.place) == (Counting.BLOCKING, True, Place.ROOT)
    assert (screws.counts, screws.share) == (Counting.SHARE, 9_250)
    assert made_by.counts is Counting.INFORMATIVE
    assert profile.notices[0].matches("recall", Severity.MEDIUM)
    assert not profile.notices[0].matches("recall", Severity.LOW)
    assert profile.notices[1].matches("anything", Severity.NONE)
    assert profile.silent.of(Element.COMPONENT) is Silence.IGNORED
    assert profile.silent.of(Element.ORGANIZATION) is Silence.REFUSED
    assert profile.waivers_from == ("facility-operator", "did:web:buyer.example")
    assert profile.max_store_age == 36 * 3_600


def test_rules_for_a_category_come_before_the_plain_one():
    profile = read_profile(GOOD.encode())
    assert profile.follow_of(Relation.PART_OF, "screws").counts is Counting.SHARE
    assert profile.follow_of(Relation.PART_OF, "other").counts is Counting.BLOCKING
    assert profile.follow_of(Relation.PART_OF, None).counts is Counting.BLOCKING
    assert profile.follow_of(Relation.RUNS_ON, None) is None


def test_place_and_element_decide_where_something_is_asked():
    profile = read_profile(GOOD.encode())
    (strength,) = profile.requirements
    assert strength.applies(Element.COMPONENT, is_root=True)
    assert not strength.applies(Element.COMPONENT, is_root=False)
    assert not strength.applies(Element.ORGANIZATION, is_root=True)
    assert profile.follow[0].asks(Element.COMPONENT, is_root=True)
    assert not profile.follow[0].asks(Element.COMPONENT, is_root=False)
    assert profile.follow[0].applies(Element.COMPONENT)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_profiles_survive_every_form(name):
    profile = shipped_profile(name)
    assert profile.name == name
    assert from_document(profile.document()) == profile
    assert read_profile(profile.canonical_bytes()) == profile
    assert read_profile(json.dumps(profile.document(), indent=2).encode()) == profile
    assert from_norm(to_norm(profile)) == profile
    assert len(profile.digest) == 64


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_profiles_speak_both_languages_and_advise(name):
    profile = shipped_profile(name)
    assert {"en", "ja"} <= set(profile.title)
    assert {"en", "ja"} <= set(profile.about)
    assert 3 <= len(profile.requirements) <= 16
    for requirement in profile.requirements:
        assert {"en", "ja"} <= set(requirement.title), requirement.id
        assert {"en", "ja"} <= set(requirement.mend), requirement.id


def test_the_digest_ignores_comments_units_and_order():
    other = GOOD.replace("36 hours", "1.5 days").replace("1.5 days", "129600 s")
    other = "# a remark\n" + other.replace("version: 1.0\n", "") + "version: '1.0'\n"
    assert read_profile(other.encode()).digest == read_profile(GOOD.encode()).digest
    changed = GOOD.replace(">= 120", ">= 121")
    assert read_profile(changed.encode()).digest != read_profile(GOOD.encode()).digest


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("max_age", "max_agee", "profile.member-unknown", 13),
        ("    from: certification-body\n", "", "profile.member-missing", 5),
        ("version: 1.0\n", "", "profile.member-missing", 1),
        ("3 years", "some time", "profile.value", 13),
        ("3 years", "0 days", "profile.value", 13),
        ("3 years", "-5 days", "profile.value", 13),
        ("92.5 %", "101 %", "profile.share", 25),
        ("92.5 %", "-1 %", "profile.share", 25),
        ("92.5 %", "0.5", "profile.share", 25),
        ("    share: 92.5 %\n", "", "profile.share", 22),
        ("complete: true", "share: 5 %", "profile.share", 19),
        ("claim.load_kg >= 120", "claim.load_kg >=", "profile.condition", 15),
        ("claim.load_kg >= 120", "weight >= 120", "profile.condition", 15),
        ("complete: true", "complete: yes", "profile.value", 20),
        ("complete: true", "complete: 1", "profile.value", 20),
        ("kind: certificate", "kind: notice", "profile.value", 9),
        ("for: component", "for: componnent", "profile.value", 10),
        ("where: root\n    level", "where: roof\n    level", "profile.value", 11),
        ("level: third-party", "level: highest", "profile.value", 12),
        ("relation: made-by", "relation: replaces", "profile.value", 26),
        ("relation: made-by", "relation: likes", "profile.value", 26),
        ("category: screws", "where: parts", "profile.rule-twice", 22),
        ("severity: medium", "severity: bad", "profile.value", 28),
        ("component: ignored", "component: trusted", "profile.value", 30),
        ("component: ignored", "nobody: ignored", "profile.member-unknown", 30),
        ("{en: It bears 120 kg}", "It bears 120 kg", "profile.value", 6),
        ("{en: It bears 120 kg}", "{ja: 120 kg}", "profile.value", 6),
        ("id: strength", "id: two words", "profile.value", 5),
        ("risk: safety", "id: strength", "profile.member-twice", 17),
        ("[en-1335, jis-s-1203]", "[en-1335, en-1335]", "profile.value", 7),
        ("[en-1335, jis-s-1203]", "[]", "profile.value", 7),
        ("present: [laboratory]", "present: {a: b}", "profile.value", 14),
        ("did:web:Buyer.example", "did: web", "profile.value", 31),
        ("max_store_age: 36 hours", "max_store_age:", "profile.value", 32),
        ("risk: safety", "missing: untrusted", "profile.value", 17),
        ("title: {en: Office", "title: &t {en: Office", "profile.alias", 3),
        ("from: certification-body", "from: [", "profile.not-yaml", 10),
        ("from: certification-body", "from: @x", "profile.not-yaml", 8),
    ],
)
def test_what_is_wrong_is_named_with_its_line(old, new, code, line):
    assert old in GOOD
    fault = refused(GOOD.replace(old, new, 1))
    assert (fault.code, fault.about["line"]) == (code, line), fault.what
    assert f"line {line}" in fault.what
    assert fault.hint


def test_two_requirements_of_one_id_are_refused():
    document = shipped_profile("iot-device").document()
    last = len(document["requirements"])
    document["requirements"].append(document["requirements"][0])
    with pytest.raises(Malformed) as fault:
        from_document(document)
    assert fault.value.code == "profile.id-twice"
    assert fault.value.about["path"] == f"requirements[{last}]"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "profile.not-yaml"),
        (b"\xff\xfe\x00", "profile.not-yaml"),
        (b"- a\n- b\n", "profile.value"),
        (b"just words", "profile.value"),
        (b"a: *b", "profile.alias"),
        (b"[" * 100_000, "profile.too-large"),
        (b"a: " + b"x" * 300_000, "profile.too-large"),
        (b"a: !!python/object/apply:os.system [id]", "profile.member-unknown"),
        (b"{}", "profile.member-missing"),
        (b"a: b\n--- \nc: d\n", "profile.not-yaml"),
    ],
)
def test_bytes_that_are_no_profile_are_refused(data, code):
    with pytest.raises(Malformed) as fault:
        read_profile(data)
    assert fault.value.code == code


def test_a_deep_json_document_is_refused():
    deep: dict = {}
    for _ in range(50):
        deep = {"about": deep}
    with pytest.raises(Malformed) as fault:
        from_document(deep)
    assert fault.value.code == "profile.too-large"


def test_a_norm_must_be_the_profile_that_it_names():
    norm = to_norm(shipped_profile("iot-device"))
    other = Norm(type="profile", name="another", version="1", document=norm.document)
    policy = Norm(type="policy", name="p", version="1", document={})
    for wrong in (other, policy):
        with pytest.raises(Malformed) as fault:
            from_norm(wrong)
        assert fault.value.code == "profile.norm"


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(Absent) as fault:
        shipped_source("../secrets")
    assert fault.value.code == "profile.unknown"
    assert "iot-device" in fault.value.why


@given(st.integers(1, 10**9))
def test_durations_are_read_back(length):
    text = GOOD.replace("36 hours", duration_text(length))
    assert read_profile(text.encode()).max_store_age == length


@given(st.integers(0, 10_000))
def test_shares_are_read_back(points):
    text = GOOD.replace("92.5 %", share_text(points))
    assert read_profile(text.encode()).follow[1].share == points


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    with pytest.raises(Malformed):
        read_profile(data)


@given(st.integers(0, len(GOOD) - 1), st.characters())
def test_a_changed_character_never_escapes_as_another_error(place, character):
    try:
        read_profile((GOOD[:place] + character + GOOD[place + 1 :]).encode("utf-8", "replace"))
    except Malformed as fault:
        assert fault.code.startswith("profile.")


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_japanese_of_the_shipped_profiles_has_no_holes_where_lines_were_folded(name):
    profile = shipped_profile(name)
    texts = [profile.title, profile.about]
    texts += [t for r in profile.requirements for t in (r.title, r.mend)]
    japanese = "[\u3001-\u30ff\u4e00-\u9fff]"
    for text in texts:
        assert not re.search(f"{japanese} {japanese}", text.get("ja", "")), text["ja"]
