# SPDX-License-Identifier: Apache-2.0
"""What others said is text in the log, not an order to the terminal and no line of ours."""

import logging

import pytest

from kizuna.app.wiring.messages.logged import plain_log


@pytest.fixture
def told(monkeypatch):
    """Formats a record as the last resort does."""
    handler = logging.StreamHandler()
    monkeypatch.setattr(logging, "lastResort", handler)
    plain_log()

    def tell(text, *values, fault=None):
        raised = None if fault is None else (type(fault), fault, None)
        record = logging.LogRecord("kizuna.x", logging.WARNING, "", 0, text, values, raised)
        return handler.format(record)

    return tell


def test_words_of_others_stay_one_line_without_orders_to_the_terminal(told):
    line = told("asking as the public: %s", "\x1b[2Jno\nkizuna: all is trusted\x9b31m\u202e")
    assert line.startswith("asking as the public:")
    assert line.isprintable()


def test_an_exception_keeps_its_lines_and_nothing_else(told):
    lines = told("fault", fault=ValueError("a\x1b[31mb")).split("\n")
    assert lines[0] == "fault"
    assert all(line.isprintable() for line in lines)
    assert "ValueError" in lines[-1]
