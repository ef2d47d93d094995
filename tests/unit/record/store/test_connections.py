# SPDX-License-Identifier: Apache-2.0
import pytest

from kizuna.model.errors import Problem
from kizuna.record.store.connections import Connections
from kizuna.record.store.sqlite import SqliteBackend


class Connection:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


def test_a_connection_is_kept_for_the_next_reader():
    connections = Connections(Connection)
    with connections.reading() as first:
        pass
    with connections.reading() as second:
        assert second is first
    connections.close()
    assert first.closed


def test_who_still_reads_while_everything_is_closed_keeps_no_connection_open():
    connections = Connections(Connection)
    with connections.reading() as connection:
        connections.close()
    assert connection.closed
    with connections.reading() as another:
        assert not another.closed
    connections.close()
    assert another.closed


@pytest.mark.filterwarnings("error::ResourceWarning")
def test_a_file_that_is_no_database_is_let_go_of(tmp_path):
    broken = tmp_path / "store.db"
    broken.write_bytes(b"no database at all" * 100)
    with pytest.raises(Problem):
        SqliteBackend(broken).version()
