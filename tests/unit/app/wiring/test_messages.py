# SPDX-License-Identifier: Apache-2.0
"""Words from the catalogues."""

from hypothesis import given
from hypothesis import strategies as st

from kizuna.app.wiring.messages import called, render_finding, render_problem, text, turn_of
from kizuna.app.wiring.messages.plain import plain
from kizuna.model.errors import Malformed
from kizuna.model.finding import Code, Finding
from kizuna.model.identifier import SubjectId

PUMP = SubjectId("pkg:generic/fuji/pump@4.2")
MAKER = "did:key:zDnaergfm19jwNCtez1WkbbvSHsY6RJ3XEVTCAzV93y9GeNR5"


def finding(code: Code, **about: str) -> Finding:
    return Finding(
        subject=PUMP,
        code=code,
        requirement="vulnerabilities",
        turn=MAKER,
        about=tuple(sorted(about.items())),
    )


def test_the_most_telling_sentence_is_chosen():
    bare, _ = render_finding(finding(Code.CLAIM_EXPIRED), "en", title="A test")
    told, mend = render_finding(
        finding(Code.CLAIM_EXPIRED, until="1795305600", claim="pen-test", issuer=MAKER),
        "en",
        title="A test",
        names={MAKER: "Fuji"},
    )
    assert bare == "A test: the statement that should show it has expired"
    assert told == "A test: pen-test of Fuji expired on 2026-11-22"
    assert mend == "Fuji must renew it"


def test_levels_and_severities_are_words():
    told, _ = render_finding(
        finding(
            Code.LEVEL_TOO_LOW, have="self-declared", need="third-party", claim="x", issuer="y"
        ),
        "ja",
    )
    assert "自己宣言" in told
    assert "第三者" in told


def test_advice_of_the_profile_follows():
    _, mend = render_finding(finding(Code.CLAIM_MISSING), "en", advice="Publish it")
    assert mend.endswith(". Publish it")


def test_a_part_without_known_maker_is_its_suppliers_turn():
    lonely = Finding(subject=PUMP, code=Code.PARTY_SILENT, turn=PUMP)
    assert turn_of(lonely, "en") == f"whoever supplies {PUMP}"
    assert turn_of(Finding(subject=PUMP, code=Code.PARTY_SILENT), "en") == "nobody in particular"


def test_long_keys_are_shortened_and_names_are_not():
    assert called(MAKER, {}).endswith("…")
    assert called(MAKER, {MAKER: "Fuji Building Systems and Services"}) == (
        "Fuji Building Systems and Services"
    )


def test_english_problems_keep_their_own_words():
    problem = Malformed("payload.malformed", "own words", hint="own hint", kind="link", fault="x")
    assert render_problem(problem, "en") == ("own words", "own hint")
    japanese, hint = render_problem(problem, "ja")
    assert "link" in japanese
    assert "kizuna statement schema" in hint


def test_an_unknown_code_is_shown_as_it_is():
    problem = Malformed("nobody.knows", "own words")
    assert render_problem(problem, "ja")[0] == "own words"
    assert text("nobody.knows", "ja") == "nobody.knows"


@given(value=st.text(max_size=200))
def test_values_are_text_and_never_templates(value):
    told, _ = render_finding(finding(Code.NOTICE_ADVERSE, severity="high", id=value), "en")
    assert isinstance(told, str)
    assert plain(value).strip() in told


@given(
    code=st.sampled_from(list(Code)),
    lang=st.sampled_from(["en", "ja", "xx"]),
    about=st.dictionaries(
        st.sampled_from(["until", "from", "have", "need", "severity", "by", "issuer", "fields"]),
        st.text(max_size=30),
    ),
)
def test_any_finding_can_be_told(code, lang, about):
    message, _ = render_finding(finding(code, **about), lang)
    assert message
