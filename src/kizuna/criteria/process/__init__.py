# SPDX-License-Identifier: Apache-2.0
"""Value creation processes: read, drawn, imported. What is expected and shown is ``chain/process``.

Keeps: pure values; nothing here knows what was registered.
"""

from kizuna.criteria.process.bpmn import Draft, is_bpmn, read_bpmn
from kizuna.criteria.process.drawing import ELEMENT_WORDS, LAYER_WORDS, draw_process
from kizuna.criteria.process.process import LAYERS, Activity, Party, Point, Process, Thing
from kizuna.criteria.process.reader import (
    NORM_TYPE,
    from_norm,
    process_of,
    read_process,
    to_norm,
)

__all__ = [
    "ELEMENT_WORDS",
    "LAYERS",
    "LAYER_WORDS",
    "NORM_TYPE",
    "Activity",
    "Draft",
    "Party",
    "Point",
    "Process",
    "Thing",
    "draw_process",
    "from_norm",
    "is_bpmn",
    "process_of",
    "read_bpmn",
    "read_process",
    "to_norm",
]
