"""Read the records of an offline `.wandb` file; wandb itself ships no reader.

The file is a LevelDB log: a header of 7 bytes, then blocks of 32 KiB that hold chunks, each with a checksum (4 bytes),
a length (2) and a type (1: whole record, 2: first part, 3: middle, 4: last). A record is a protobuf message.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import wandb
from wandb.proto import wandb_internal_pb2

BLOCK, CHUNK_HEADER, FILE_HEADER = 32768, 7, 7


def records(path: Path) -> Iterator[wandb_internal_pb2.Record]:
    """Every record, in the order in which it was written."""
    content = path.read_bytes()
    assert content[:4] == b":W&B"
    position, parts = FILE_HEADER, b""
    while position + CHUNK_HEADER <= len(content):
        if BLOCK - position % BLOCK < CHUNK_HEADER:  # the rest of a block is padding
            position += BLOCK - position % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", content[position : position + CHUNK_HEADER])
        position += CHUNK_HEADER
        parts += content[position : position + length]
        position += length
        if kind in (1, 4):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            parts = b""
            yield record


def read_run(folder: Path) -> dict[str, Any]:
    """Config, history rows, summary, files, artifacts and exit code of the one offline run below ``folder``."""
    wandb.teardown()  # ends W&B's writing process, which may still hold the last records
    (path,) = folder.glob("**/*.wandb")
    run: dict[str, Any] = {
        "config": {},
        "history": [],
        "summary": {},
        "files": [],
        "artifacts": [],
        "exit_code": None,
        "run": None,
    }
    for record in records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run["run"] = record.run
            run["config"] |= {update.key: json.loads(update.value_json) for update in record.run.config.update}
        elif kind == "config":
            run["config"] |= {
                update.key or update.nested_key[0]: json.loads(update.value_json) for update in record.config.update
            }
        elif kind == "history":
            run["history"].append(
                {".".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
            )
        elif kind == "summary":
            run["summary"] |= {
                ".".join(update.nested_key) or update.key: json.loads(update.value_json)
                for update in record.summary.update
            }
        elif kind == "files":
            run["files"] += [file.path for file in record.files.files]
        elif kind == "artifact":
            run["artifacts"].append(record.artifact)
        elif kind == "exit":
            run["exit_code"] = record.exit.exit_code
    return run
