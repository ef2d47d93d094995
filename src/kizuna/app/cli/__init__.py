# SPDX-License-Identifier: Apache-2.0
"""The command ``kizuna``: one tree, one file a command.

Keeps: 1. stdout holds the answer only; progress and messages go to stderr. 2. Exit codes are
``model.outcome``. 3. No traceback reaches a person. 4. Heavy rooms are imported by the command that
needs them, so that ``kizuna --help`` answers at once.
"""
