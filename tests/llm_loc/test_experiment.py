"""The whole path, from texts to verdict, on a tiny model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from common.base.errors import DataError, FunclocError, RunError, SettingError
from common.effects.results import Results
from common.measure.masks import load_masks
from common.measure.passes import Passes
from common.measure.scores import CONTRACT, SelectivityMap
from common.study.journal import Arrays
from common.study.settings import read_controls
from llm_loc.evaluate import TextBatches
from llm_loc.experiment import Settings, Texts, evaluate_map, generate_under, localize_only, run
from llm_loc.generate import Sampling
from llm_loc.stimuli.benchmarks import FEWEST_WINDOWS
from tests.llm_loc.conftest import write_files

PathMaker = Callable[..., Path]


Whole = tuple[Results, Path]


@pytest.fixture(scope="module")
def settings(folder_of: PathMaker, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    target, control, pairs, prose = write_files(tmp_path_factory.mktemp("own"))
    return Settings(
        model=f"local/{folder_of()}",
        target=target,
        control=control,
        evaluation=f"{pairs},{prose}",
        target_group="animals",
        other_group="things",
        top=(10,),
        controls=read_controls("random:2,layer-matched:2"),
        untrained_seeds=0,
        device="cpu",
    )


@pytest.fixture(scope="module")
def whole(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A finished run, that several tests look at; made once."""
    results, folder, was_done = run(settings, tmp_path_factory.mktemp("whole") / "run")
    assert not was_done
    return results, folder


def test_the_folder_and_its_results_keep_the_contract(whole: Whole) -> None:
    results, folder = whole
    named = {"model", "localizer", "selectivity", "intact", "ablations", "judgement", "verdict"}
    assert named <= set(results.as_json())
    assert results.intact["animals"].n == 20
    assert results.localizer.tokens["target"].n_cut == 0
    found = SelectivityMap.load(folder / "selectivity.safetensors")
    arrays = load_file(folder / "selectivity.safetensors")
    for site in found.sites:
        assert all(arrays[f"{site}/{name}"].dtype == np.float64 for name in CONTRACT)
    fingerprint = results.model.fingerprint
    masks = load_masks(folder / "masks.safetensors", found, fingerprint)
    assert {entry.mask for entry in results.ablations} == set(masks)
    items = pd.read_csv(folder / "items.csv")
    assert len(items) == 30 * (1 + len(masks))
    intact = items[items["mask"] == "intact"]
    assert intact["correct"].tolist() == (intact["margin"] > 0).astype(int).tolist()


def test_the_breakdown_and_the_perplexity_are_paired_with_intact(whole: Whole) -> None:
    results, folder = whole
    items = pd.read_csv(folder / "items.csv")
    everything = results.breakdown[0]
    assert (everything.level, everything.n) == ("all", 30)
    by_mask = items.groupby("mask")["correct"].mean()
    assert everything.drop == pytest.approx(by_mask["intact"] - by_mask["top-10"])
    assert set(everything.controls) == {"random", "layer-matched"}
    (text,) = results.perplexity
    assert [entry.mask for entry in text.ablations] == [entry.mask for entry in results.ablations]
    for entry in text.ablations:
        assert entry.rise == pytest.approx(entry.nats - text.intact.nats)
        assert entry.perplexity == pytest.approx(np.exp(entry.nats))
        assert entry.rise_ci[0] <= entry.rise <= entry.rise_ci[1]


def test_a_run_that_was_stopped_ends_in_the_same_bytes(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, last = 0, 0
    real = TextBatches.give

    def counted(self: TextBatches, number: int, passes: Passes) -> Iterator[Arrays]:
        nonlocal count
        for arrays in real(self, number, passes):
            count += 1
            if count == last:
                raise KeyboardInterrupt
            yield arrays

    monkeypatch.setattr(TextBatches, "give", counted)
    monkeypatch.setattr(Texts, "forewarn", lambda *_: None)  # each start tries a batch for it
    run(settings, tmp_path / "whole")
    n_passes, count = count, 0
    last = n_passes // 2  # amid the masks of a batch
    with pytest.raises(KeyboardInterrupt):
        run(settings, tmp_path / "cut")
    run(settings, tmp_path / "cut")
    assert count == n_passes + 1  # the one that was not kept
    for name in ("results.json", "items.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert run(settings, tmp_path / "cut")[2]
    assert count == n_passes + 1


def test_batch_size_is_no_part_of_a_run_and_protocol_is(settings: Settings, whole: Whole) -> None:
    _, folder = whole
    assert run(replace(settings, batch_size=3), folder)[2]
    with pytest.raises(RunError, match=r"differs in .*protocol"):
        run(replace(settings, protocol="paper"), folder)
    with pytest.raises(RunError, match=r"differs in .*evaluation\.target"):
        run(replace(settings, target_group="things", other_group="animals"), folder)


def test_the_papers_protocol_says_what_it_cut(settings: Settings, tmp_path: Path) -> None:
    results, _, _ = run(replace(settings, protocol="paper"), tmp_path / "run")
    assert results.localizer.tokens["target"].n_cut > 0
    assert any("cut texts at 12 tokens" in warning for warning in results.warnings)


def test_localize_then_evaluate_is_run(settings: Settings, whole: Whole, tmp_path: Path) -> None:
    results, _ = whole
    localize_only(settings, tmp_path / "map")
    changed = {
        name: getattr(settings, name)
        for name in ("evaluation", "target_group", "other_group", "top", "controls")
    }
    halves, _, _ = evaluate_map(tmp_path / "map", tmp_path / "eval", **changed)
    assert halves.ablations == results.ablations
    assert halves.perplexity == results.perplexity


def test_texts_that_the_localizer_used_are_refused_in_whatever_case(
    settings: Settings, own_files: tuple[Path, ...], tmp_path: Path
) -> None:
    pairs = own_files[2]
    settings = replace(settings, evaluation=str(pairs))
    pairs.write_text(pairs.read_text() + "Birds  SING,sing birds,animals\n")
    with pytest.raises(DataError, match="1 of its texts were shown to the localizer"):
        run(settings, tmp_path / "run")
    results, _, _ = run(replace(settings, allow_overlap=True), tmp_path / "run")
    assert results.evaluation.overlap == 1
    with pytest.raises(DataError, match="allow_overlap"):
        run(settings, tmp_path / "run")


def test_units_are_channels(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="a unit is a channel"):
        run(replace(settings, unit="neuron"), tmp_path / "run")


def test_continuations_side_by_side(settings: Settings, tmp_path: Path) -> None:
    localize_only(settings, tmp_path / "map")
    texts = generate_under(
        tmp_path / "map", "the old", Sampling(max_new_tokens=5), controls="layer-matched:2"
    )
    assert list(texts) == ["intact", "top-10", "layer-matched-10-s00", "layer-matched-10-s01"]


def test_items_are_paired_by_their_intact_margin(settings: Settings, tmp_path: Path) -> None:
    results, folder, _ = run(replace(settings, within="margin"), tmp_path / "run")
    told = results.evaluation.within_margin
    assert told is not None
    assert results.intact["animals"].n == results.intact["things"].n == told.n_pairs <= 10
    assert told.n_left_out == 30 - 2 * told.n_pairs
    groups = pd.read_csv(folder / "items.csv")["group"]
    assert {"animals", "things", "unmatched"} <= set(groups)


def test_an_untrained_model_says_so(settings: Settings, tmp_path: Path) -> None:
    results, _, _ = run(replace(settings, untrained=True), tmp_path / "run")
    assert any("untrained" in warning for warning in results.warnings)
    assert json.loads((tmp_path / "run" / "results.json").read_text())["model"]["seed"] == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"target": None}, "`localizer`, or both"),
        ({"localizer": "langloc"}, "`localizer`, or both"),
        ({"model": "phantom/cat"}, "the phantoms are lm"),
        ({"target_group": "plants"}, "`target_group` plants"),
        ({"protocol": "loose"}, "choose one of"),
        ({"pooling": "max"}, "choose one of last, mean, sum"),
        ({"sites": "nothing.*"}, "no such module"),
        ({"top": (0.0,)}, "above 0|more than 0"),
        ({"within": "class"}, "items of text have no classes; choose margin"),
    ],
)
def test_bad_settings_get_one_line(
    changed: dict[str, object], message: str, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(FunclocError, match=message) as caught:
        run(replace(settings, **changed), tmp_path / "run")  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_items_takes_as_many_of_each_paradigm_and_as_much_of_texts(
    settings: Settings, tmp_path: Path
) -> None:
    *_, pairs, prose = write_files(tmp_path, clauses=100)
    settings = replace(settings, evaluation=f"{pairs},{prose}", controls=read_controls("random:1"))
    whole, every, _ = run(settings, tmp_path / "whole")
    results, folder, _ = run(replace(settings, items=4), tmp_path / "run")
    few, all_of_them = (pd.read_csv(each / "items.csv") for each in (folder, every))
    intact = few[few["mask"] == "intact"]
    assert set(intact["label"].value_counts()) == {4}
    assert set(intact["label"]) == set(all_of_them["label"])
    assert results.evaluation.subset is not None
    assert results.evaluation.subset.by == "paradigm"
    assert len(intact) + results.evaluation.subset.n_left_out == whole.evaluation.n_items
    texts = [pd.read_csv(each / "windows.csv")["item"].nunique() for each in (folder, every)]
    assert FEWEST_WINDOWS == texts[0] < texts[1]
    same = few.merge(all_of_them, on=["item", "mask"], suffixes=("", "_whole"))
    assert len(same) == len(few)
    np.testing.assert_allclose(same["margin"], same["margin_whole"], atol=1e-4)
