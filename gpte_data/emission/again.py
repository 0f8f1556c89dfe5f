"""Tables that are read once and can be gone through again: put aside on the disk."""

from collections.abc import Iterable, Iterator
from typing import Any

from gpte_data.emission.spill import Room


class Again:
    """Tables in order.

    Args:
        tables: Read to their end, now.
        room: Where they are put aside.
    """

    def __init__(self, tables: Iterable[Any], room: Room) -> None:
        import pyarrow as pa

        self.file, self.count = room.file(), 0
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        for table in tables:
            with pa.ipc.new_stream(self.file, table.schema, options=options) as writer:
                writer.write_table(table)
            self.count += 1

    def __iter__(self) -> Iterator[Any]:
        import pyarrow as pa

        self.file.seek(0)
        for _ in range(self.count):
            with pa.ipc.open_stream(self.file) as reader:
                table = reader.read_all()
            place = self.file.tell()
            yield table
            self.file.seek(place)
