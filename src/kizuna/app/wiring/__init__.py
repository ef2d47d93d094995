# SPDX-License-Identifier: Apache-2.0
"""Where settings, environment and back ends meet: everything a door needs, built once.

Keeps: 1. Only this room reads the environment, the clock and secret files, and names concrete back
ends. 2. Every door (commands, HTTP, console) asks the same ``Workspace``, so their answers are
equal. 3. Importing this package is cheap; heavy rooms are imported by the call that needs them.
"""
