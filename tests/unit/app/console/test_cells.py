# SPDX-License-Identifier: Apache-2.0
"""Tables of the console: whatever a stranger put into a name, no cell is a formula."""

import csv
import io

import pytest

from kizuna.app.console.cells import table


@pytest.mark.parametrize("begun", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b"])
def test_no_cell_is_a_formula(begun):
    row = dict.fromkeys(("subject", "profile", "verdict", "findings", "next_change", "at"), "x")
    data = table([{**row, "name": f"{begun}cmd"}]).decode("utf-8-sig")
    _, (_, name, *_) = csv.reader(io.StringIO(data, newline=""))
    assert name == f"'{begun}cmd"
