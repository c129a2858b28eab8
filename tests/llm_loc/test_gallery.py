"""The texts of a report: prompts that any vocabulary knows, continuations that can be repeated."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from common.effects.items import Outcome
from common.study.settings import read_controls
from llm_loc import experiment
from llm_loc.experiment import Settings, evaluate_map, generate_under, localize_only, run
from llm_loc.gallery import NEW_TOKENS, prompts, save_continuations, save_strip
from llm_loc.generate import Sampling
from llm_loc.models import LanguageModel
from llm_loc.stimuli import Benchmark, benchmark
from tests.llm_loc.conftest import CONTEXT, write_files

pytestmark = pytest.mark.draws_report

PathMaker = Callable[..., Path]


@pytest.fixture
def items(own_files: tuple[Path, ...]) -> Benchmark:
    return benchmark(f"{own_files[2]},{own_files[3]}")


def settings_of(folder_of: PathMaker, folder: Path) -> Settings:
    target, control, pairs, prose = write_files(folder)
    return Settings(
        model=f"local/{folder_of()}",
        target=target,
        control=control,
        evaluation=f"{pairs},{prose}",
        target_group="animals",
        other_group="things",
        top=(10,),
        controls=read_controls("layer-matched:2"),
        untrained_seeds=0,
        device="cpu",
        data_root=folder / "data",
    )


@pytest.fixture(scope="module")
def settings(folder_of: PathMaker, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_of(folder_of, tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def whole(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run; made once."""
    return run(settings, tmp_path_factory.mktemp("whole") / "run")[1]


def test_prompts_are_the_first_words_of_what_is_evaluated(items: Benchmark) -> None:
    (text,) = items.texts
    assert prompts(items) == [" ".join(text.text.split()[:4])]  # it has one line
    found = prompts(replace(items, texts=()))
    assert len({*found}) == 3
    for prompt in found:
        assert len(prompt.split()) == 4
        assert any(good.startswith(f"{prompt} ") for good in items.good)
    assert found == prompts(replace(items, texts=()))
    assert found != prompts(replace(items, texts=()), seed=3)


def test_sentences_too_short_to_leave_words_unsaid_are_taken_whole(items: Benchmark) -> None:
    short = replace(items, texts=(), choices=(("birds sing", "sing birds"),) * len(items.names))
    assert prompts(short) == ["birds sing"]


def test_no_more_is_added_than_the_model_can_read(
    make_model: Callable[..., LanguageModel], tmp_path: Path
) -> None:
    model = make_model()
    texts = (" the" * n for n in range(CONTEXT))
    by_length = {len(model.tokens([text])[0]): text for text in texts if text}
    starts = [by_length[CONTEXT - 2], by_length[CONTEXT]]
    save_continuations(tmp_path / "c.json", model, starts, [])
    (row,) = json.loads((tmp_path / "c.json").read_text())["rows"]
    assert row["prompt"] == starts[0]
    assert len(row["texts"]) == 1


def test_a_run_keeps_both_and_its_report_shows_them(settings: Settings, whole: Path) -> None:
    kept = json.loads((whole / "gallery" / "continuations.json").read_text())
    masks = ["top-10", "layer-matched-10-s00"]
    assert kept["columns"] == ["intact", *masks]
    (row,) = kept["rows"]
    same = generate_under(
        whole,
        row["prompt"],
        Sampling(max_new_tokens=NEW_TOKENS),
        controls=settings.controls,
    )
    assert row["texts"] == [same[name][0] for name in kept["columns"]]
    profile = pd.read_csv(whole / "profile.csv")
    assert profile["own"].groupby(profile["set"]).all()["sentences-vs-nonwords"]
    assert {*profile["mask"]} == {"top-10", *(f"layer-matched-10-s{n:02d}" for n in range(5))}
    report = (whole / "report.html").read_text()
    for heading in ("Continuations side by side", "What the chosen units answer to"):
        assert heading in report


def test_what_was_kept_before_a_run_was_stopped_is_not_made_again(
    settings: Settings, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(experiment, "profile", dying)
        with pytest.raises(KeyboardInterrupt):
            run(settings, tmp_path / "cut")
    monkeypatch.setattr(experiment, "save_continuations", dying)
    run(settings, tmp_path / "cut")
    profiles = [pd.read_csv(folder / "profile.csv") for folder in (tmp_path / "cut", whole)]
    pd.testing.assert_frame_equal(*profiles, rtol=1e-4)
    for name in ("results.json", "gallery/continuations.json"):
        assert (tmp_path / "cut" / name).read_bytes() == (whole / name).read_bytes()


def test_without_the_localizers_texts_there_is_no_profile(
    folder_of: PathMaker, tmp_path: Path
) -> None:
    settings = settings_of(folder_of, tmp_path)
    localize_only(settings, tmp_path / "map")
    assert settings.target is not None
    settings.target.unlink()
    names = ("evaluation", "target_group", "other_group", "top", "controls")
    changed = {name: getattr(settings, name) for name in names}
    _, folder, _ = evaluate_map(tmp_path / "map", tmp_path / "eval", **changed)
    assert not (folder / "profile.csv").exists()
    assert "What the chosen units answer to" not in (folder / "report.html").read_text()


def test_the_items_that_are_shown_are_those_that_fell_most_one_of_a_part(
    items: Benchmark, tmp_path: Path
) -> None:
    n = len(items.names)
    margin = np.linspace(1, 2, n).astype(np.float32)
    intact = Outcome(np.zeros(n), np.ones(n, dtype=bool), margin)
    own = np.flatnonzero(items.groups == items.target)
    lost = own[::2]
    after = np.where(np.isin(np.arange(n), lost), -margin, margin)
    save_strip(tmp_path / "strip.json", items, intact, Outcome(np.zeros(n), after > 0, after))
    shown = json.loads((tmp_path / "strip.json").read_text())
    names = [card["item"] for card in shown["cards"]]
    fell = sorted(lost.tolist(), key=lambda number: -margin[number])
    parts = [items.labels[number] for number in fell]
    first = [number for at, number in enumerate(fell) if parts[at] not in parts[:at]]
    rest = [number for number in fell if number not in first]
    others = [number for number in range(n) if items.groups[number] == items.other]
    assert names[: min(4, len(lost))] == [items.names[number] for number in [*first, *rest][:4]]
    kept = names[min(4, len(lost)) :]
    assert len(kept) == min(2, len(others))
    assert all(items.names.index(name) in others for name in kept)
    for card in shown["cards"]:
        assert card["choices"] == [*items.choices[items.names.index(card["item"])]]
    assert "likelier" in shown["note"]
