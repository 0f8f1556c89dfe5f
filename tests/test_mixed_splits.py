"""Splits and mixtures together: train is mixed and in batches, no document is on two sides."""

from pathlib import Path

from datasets_to_mix import emit, make

from gpte_data import io


def test_train_is_mixed_and_dev_is_whole(tmp_path: Path) -> None:
    make(tmp_path, {"a": 100, "b": 50}, b={"task": "clustering"})
    out, result = emit(
        tmp_path, split="train=.8,dev=.2", mix="a=1,b=1", total=200, batch_size=8,
        batch_order="homogeneous", per_dataset=True,
    )  # fmt: skip
    rows = {
        str(folder.relative_to(out)): list(io.read_all(folder))
        for folder in sorted(out.glob("*/*")) if folder.parent.name in ("train", "dev")
    }  # fmt: skip
    assert set(rows) == {f"{s}/{n}" for s in ("train", "dev") for n in ("a", "b_no_in_batch_neg")}
    assert len(rows["train/a"]) == len(rows["train/b_no_in_batch_neg"]) == 100
    sides: dict[str, set[str]] = {"train": set(), "dev": set()}
    for name, found in rows.items():
        sides[name.split("/")[0]] |= {one["positives"][0] for one in found}
    assert not sides["train"] & sides["dev"]
    dev = rows["dev/a"] + rows["dev/b_no_in_batch_neg"]
    assert len({one["query_id"] for one in dev}) == len(dev)
    assert result.ledger.rows_out == 200 + len(dev)
