"""Writes the Parquet files of the tests, with pyarrow 26 (pip install pyarrow==26.0.1)."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

here = Path(__file__).parent


def message(role, content):
    return {"role": role, "content": content}


asked = message("user", "Why?")
conversations = pa.table(
    {
        "chosen": [[asked, message("assistant", "Because.")], [asked, message("assistant", "Só.")]],
        "rejected": [[asked, message("assistant", "No.")], [asked, message("assistant", "Because.")]],
        "score_chosen": [8.5, 5.0],
        "score_rejected": [3.0, 5.0],
        "extra": [None, [1, 2]],
    }
)
for codec in ["none", "snappy", "gzip", "zstd", "lz4"]:
    pq.write_table(conversations, here / f"scored-{codec}.parquet", compression=codec)
explicit = pa.table(
    {
        "prompt_id": ["p", "p", "q"],
        "response_a_id": ["a", "b", "a"],
        "response_b_id": ["b", "c", "c"],
        "label": pa.array([1.0, 0.5, 0.25], pa.float32()),
        "weight": pa.array([None, 2, 3], pa.int64()),
        "annotator": ["x", None, "y"],
    }
)
pq.write_table(explicit, here / "explicit.parquet", row_group_size=2)
pq.write_table(pa.table({"text": ["a"], "stars": [5]}), here / "other.parquet")
