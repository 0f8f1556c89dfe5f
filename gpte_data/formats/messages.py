"""Texts as chat messages, which ms-swift trains embedding models on."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpte_data.formats.block import Block, Documents


def query_messages(block: Block) -> pa.Array:
    """Return each query as a user's message, its instruction as the system's before it, (n,)."""
    instructed = pc.not_equal(block.instruction, "").to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(1 + instructed)]).astype(np.int32)
    last = offsets[1:] - 1
    place = np.empty(offsets[-1], dtype=np.int64)
    place[offsets[:-1]] = np.arange(len(block))  # the instruction where there is one
    place[last] = np.arange(len(block)) + len(block)  # the query
    contents = pa.concat_arrays([block.instruction, block.query]).take(pa.array(place))
    roles = np.full(offsets[-1], "system", dtype=object)
    roles[last] = "user"
    messages = _messages(pa.array(roles, pa.string()), contents)
    return pa.ListArray.from_arrays(pa.array(offsets), messages)


def document_messages(documents: Documents) -> pa.Array:
    """Return a conversation of one user's message for each document, as lists, (n,)."""
    size = len(documents.doc_id)
    role = pa.repeat(pa.scalar("user"), size)
    each = pa.array(np.arange(size + 1, dtype=np.int32))
    conversations = pa.ListArray.from_arrays(each, _messages(role, documents.full))
    return documents.lists(conversations)


def _messages(role: pa.Array, content: pa.Array) -> pa.Array:
    return pa.StructArray.from_arrays([role, content], names=["role", "content"])
