# SPDX-License-Identifier: Apache-2.0
"""The picture of a chain is well-formed, escaped, and tells values by shape and word."""

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from kizuna.app.console.drawing import draw, shorten
from kizuna.app.console.folding import Box, Chain, Tie
from kizuna.app.console.texts import say
from kizuna.model.finding import Value


def picture(*boxes: Box, ties: tuple[Tie, ...] = (), lang: str = "en") -> str:
    chain = Chain(root=boxes[0].key, boxes={b.key: b for b in boxes}, ties=ties)
    return str(
        draw(
            chain,
            words=lambda key, **v: say(key, lang, **v),
            link=lambda box: f"/subject?id={box.key}",
            title="a chain",
        )
    )


def test_a_name_from_outside_cannot_leave_its_text():
    hostile = '"><script>alert(1)</script><a href="javascript:x'
    drawn = picture(
        Box(key=hostile, name=hostile, value=Value.TRUSTED),
        Box(key="b", name="]]>&amp;<", value=Value.UNTRUSTED),
        ties=(Tie(hostile, "b", "part-of"),),
    )
    assert "<script" not in drawn
    tree = ET.fromstring(drawn)  # noqa: S314 - our own picture
    assert all(not name.startswith("on") for node in tree.iter() for name in node.attrib)
    assert all("style" not in node.attrib for node in tree.iter())


@given(st.text(max_size=40), st.text(max_size=40))
def test_every_text_gives_a_well_formed_picture(key: str, name: str):
    clean = "".join(c for c in key + "k" if c.isprintable())
    shown = "".join(c for c in name if c.isprintable())
    ET.fromstring(picture(Box(key=clean, name=shown, value=Value.UNDETERMINED)))  # noqa: S314


def test_values_differ_by_shape_and_by_word():
    drawn = {v: picture(Box(key="a", name="a", value=v)) for v in Value}
    assert "<circle" in drawn[Value.TRUSTED]
    assert ">trusted<" in drawn[Value.TRUSTED]
    assert "<circle" not in drawn[Value.UNTRUSTED]
    assert ">untrusted<" in drawn[Value.UNTRUSTED]
    assert ">undetermined<" in drawn[Value.UNDETERMINED]
    assert "信頼できない" in picture(Box(key="a", name="a", value=Value.UNTRUSTED), lang="ja")


def test_a_cycle_is_drawn():
    drawn = picture(
        Box(key="a", name="a", value=Value.TRUSTED),
        Box(key="b", name="b", value=Value.TRUSTED),
        ties=(Tie("a", "b", "part-of"), Tie("b", "a", "runs-on")),
    )
    assert drawn.count('class="tie ') == 2


def test_full_width_letters_count_double():
    assert shorten("空調用温度センサー", 60) == "空調用…"
    assert shorten("abc", 60) == "abc"
