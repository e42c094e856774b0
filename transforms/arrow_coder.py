# SPDX-License-Identifier: Apache-2.0
"""Beam coder for Arrow record batches.

Without it Beam pickles a batch, and the pickle of a slice holds its whole parent buffer: a small
job measured 11 GB. Arrow IPC truncates slices and costs about 0.1 us a row both ways.
"""

from __future__ import annotations

import pyarrow as pa
from apache_beam.coders import Coder
from apache_beam.coders.typecoders import registry


class RecordBatchCoder(Coder):
    """Encode a record batch as an Arrow IPC stream; decode it without copying."""

    def encode(self, value: pa.RecordBatch) -> bytes:
        """Return the batch as an IPC stream of one batch."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, value.schema) as writer:
            writer.write_batch(value)
        return bytes(sink.getvalue().to_pybytes())

    def decode(self, encoded: bytes) -> pa.RecordBatch:
        """Return the batch; its buffers point into the encoded bytes."""
        with pa.ipc.open_stream(pa.py_buffer(encoded)) as reader:
            return reader.read_next_batch()

    def is_deterministic(self) -> bool:
        """Equal batches give equal bytes."""
        return True

    def estimate_size(self, value: pa.RecordBatch) -> int:
        """Return the size in memory; Beam would encode again only to sample sizes."""
        return int(value.nbytes)

    def to_type_hint(self) -> type[pa.RecordBatch]:
        """The type whose default coder this is."""
        return pa.RecordBatch

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))


registry.register_coder(pa.RecordBatch, RecordBatchCoder)
