"""A unit's page: what it answers to the localizer's texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.base.errors import RunError
from common.measure.masks import top_percent
from llm_loc.app.unit import answers
from llm_loc.app.visit import Found, found_in
from llm_loc.experiment import Settings, localize_only, open_model

WAYS: dict[str, dict[str, Any]] = {
    "last": {},
    "mean": {"pooling": "mean"},
    "sum, signed": {"pooling": "sum", "statistic": "signed"},
    "paper": {"protocol": "paper"},
    "mlp": {"kind": "mlp"},
}


def small(folder_of: Callable[..., Path], own_files: tuple[Path, ...], **how: Any) -> Settings:
    """Texts of many lengths on a tiny model, in batches that have to be filled up."""
    return Settings(
        f"local/{folder_of()}", target=own_files[0], control=own_files[1], batch_size=6, top=(20,),
        device="cpu", **how,
    )  # fmt: skip


def mapped(settings: Settings, folder: Path) -> Found:
    localize_only(settings, folder)
    return found_in(folder)


@pytest.mark.parametrize("way", WAYS)
def test_answers_have_the_means_of_the_map(
    way: str, folder_of: Callable[..., Path], own_files: tuple[Path, ...], tmp_path: Path
) -> None:
    found = mapped(small(folder_of, own_files, **WAYS[way]), tmp_path / "map")
    told: list[tuple[str, int, int]] = []
    known = answers(
        open_model(found.settings), found.settings, found.map, found.top,
        lambda *step: told.append(step),
    )  # fmt: skip
    assert [text.condition for text in known.stimuli] == ["sentences"] * 10 + ["nonwords"] * 10
    assert known.responses.shape == (20, len(found.top))
    for side, means in ((known.target, found.map.mean_target),
                        (~known.target, found.map.mean_control)):  # fmt: skip
        np.testing.assert_allclose(
            known.responses[side].mean(axis=0), means[found.top.units], rtol=1e-4, atol=1e-6
        )
    assert told[-1] == ("respond", 20, 20)


def test_an_answer_is_to_the_text_beside_it(
    folder_of: Callable[..., Path], own_files: tuple[Path, ...], tmp_path: Path
) -> None:
    found = mapped(small(folder_of, own_files), tmp_path / "map")
    model = open_model(found.settings)
    known = answers(model, found.settings, found.map, found.top)
    one_by_one = replace(found.settings, batch_size=1)
    alone = answers(model, one_by_one, found.map, found.top)
    np.testing.assert_allclose(known.responses, alone.responses, rtol=1e-4, atol=1e-5)
    assert len(np.unique(known.responses.round(4), axis=0)) == 20


def test_other_texts_than_the_maps_are_refused(
    folder_of: Callable[..., Path], own_files: tuple[Path, ...], tmp_path: Path
) -> None:
    found = mapped(small(folder_of, own_files), tmp_path / "map")
    own_files[0].write_text("\n".join(["someone else wrote these lines"] * 10))
    with pytest.raises(RunError, match="no longer those of this run"):
        answers(open_model(found.settings), found.settings, found.map, found.top)


def test_a_stop_ends_it_between_batches(
    folder_of: Callable[..., Path], own_files: tuple[Path, ...], tmp_path: Path
) -> None:
    found = mapped(small(folder_of, own_files), tmp_path / "map")
    model = open_model(found.settings)

    def stop(_step: str, done: int, total: int) -> None:
        assert done < total
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answers(model, found.settings, found.map, found.top, stop)
    modules = list(model.module.modules())
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in modules)


@pytest.mark.reference
def test_on_a_real_model_and_the_papers_localizer(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUNCLOC_DATA", str(reference / "data"))
    settings = Settings(
        f"local/{reference / 'models' / 'llama-prose'}", localizer="langloc:language", device="cpu"
    )
    found = mapped(settings, tmp_path / "map")
    mask = top_percent(found.map, 5)
    known = answers(open_model(found.settings), found.settings, found.map, mask)
    assert (known.target.sum(), (~known.target).sum()) == (240, 240)
    unit = int(mask.units[0])
    most, _ = known.extremes(unit, 6)
    assert known.of(unit)[most[0]] == known.of(unit).max()
