# SPDX-License-Identifier: Apache-2.0
"""A legacy device: a pump's controller that speaks Modbus/TCP to whoever connects.

Keeps: it behaves as such devices do: no identity, no encryption, whoever reaches the port may read
and write. That is what a connector is for.
Needs: ``pymodbus`` (extra ``simulate``).
"""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Any, Final, Self

__all__ = ["REGISTERS", "PumpDevice"]

REGISTERS: Final = 64
"""Holding registers 0 to 63: 0 is the set point, 1 the speed, 2 the pressure."""


class PumpDevice:
    """The device in a thread of its own. Use as a context manager.

    Args:
        host: where it listens.
        port: 0 takes a free one; ``address`` tells which.
        product: what it says it is when asked (Read Device Identification). The library keeps that
            once a process: of two devices at the same time both say what the last one is.
        revision: of its firmware, said with it.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        product: str = "P-4",
        revision: str = "1.7",
    ) -> None:
        self._wanted = (host, port)
        self._said = {"VendorName": "Pumpworks", "ProductCode": product}
        self._said["MajorMinorRevision"] = revision
        self._loop = asyncio.new_event_loop()
        self._server: Any = None
        self._begun = threading.Event()
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="pump", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._server.transport.sockets[0].getsockname()[:2]
        return host, port

    def __enter__(self) -> Self:
        self._thread.start()
        self._begun.wait(10)
        if self._fault is not None:
            raise self._fault
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._loop.is_running():
            asyncio.run_coroutine_threadsafe(self._server.shutdown(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._listen())
        except (OSError, RuntimeError) as fault:
            self._fault = fault
            return
        finally:
            self._begun.set()
        self._loop.run_forever()

    async def _listen(self) -> None:
        from pymodbus import ModbusDeviceIdentification  # noqa: PLC0415 - an extra
        from pymodbus.server import ModbusTcpServer  # noqa: PLC0415
        from pymodbus.simulator import DataType, SimData, SimDevice  # noqa: PLC0415

        values = SimData(0, count=REGISTERS, values=0, datatype=DataType.REGISTERS)
        device = SimDevice(1, simdata=[values])
        identification: Any = ModbusDeviceIdentification  # the library types it not
        said = identification(info_name=self._said)
        self._server = ModbusTcpServer(device, address=self._wanted, identity=said)
        await self._server.listen()
