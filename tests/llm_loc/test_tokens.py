"""How much less likely a mask makes each token, against one pass a token."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch

from common.base.errors import DataError, ModelError
from common.measure.ablate import under
from common.measure.control_rules import control
from common.measure.masks import Mask, top_percent
from common.study.settings import read_controls
from llm_loc.app.token_fragments import coloured
from llm_loc.experiment import Settings, localize_only
from llm_loc.localize import find_sites, localize
from llm_loc.models import LanguageModel
from llm_loc.tokens import letters_of, shown_token, token_changes, tokens_under
from tests.llm_loc.conftest import ModelMaker, hooks_of
from tests.llm_loc.test_localize import STIMULI

TEXT = "the old farmer saw a dög 🐎 \n at night"


def one_by_one(
    model: LanguageModel, ids: list[int], mask: Mask | None, **how: object
) -> list[float]:
    """The log-probability of each token, from a pass of its own over all that is before it."""
    logs = [float("nan")]
    for place in range(1, len(ids)):
        with torch.inference_mode(), under(model.module, mask, **how):  # type: ignore[arg-type]
            logits = model.module(input_ids=torch.tensor([ids[:place]]), use_cache=False).logits
        logs.append(float(logits[0, -1].double().log_softmax(0)[ids[place]]))
    return logs


@pytest.mark.parametrize(("kind", "bos", "by"), [
    ("llama", True, "zero"), ("llama", False, "mean"), ("gpt2", True, 0.5),
])  # fmt: skip
def test_each_token_is_what_a_pass_of_its_own_gives(
    kind: str, bos: bool, by: str, make_model: ModelMaker
) -> None:
    model = make_model(kind, bos=bos)
    found = localize(model, STIMULI, find_sites(model))
    masks = {"top": top_percent(found, 20), "other": control(found, "layer-matched", 20, 1)}
    read = token_changes(model, TEXT, masks, by=by, found=found)  # type: ignore[arg-type]
    (ids,) = model.tokens([TEXT])
    how = {"by": by, "found": found}
    np.testing.assert_allclose(read.intact, one_by_one(model, ids, None, **how), atol=1e-4)
    for name, mask in masks.items():
        np.testing.assert_allclose(
            read.masked[name], one_by_one(model, ids, mask, **how), atol=1e-4
        )
    assert np.nanmax(np.abs(read.lost("top"))) > 0.1
    assert hooks_of(model.module) == 0
    lost = read.lost("top")[1:]
    mean, n = read.mean("top")
    assert mean == pytest.approx(lost.mean())
    assert n == len(ids) - 1
    first, second = read.mean("top", 0, 10), read.mean("top", 10)
    assert first[1] + second[1] == n
    assert first[0] * first[1] + second[0] * second[1] == pytest.approx(lost.sum())
    assert read.mean("top", 10_000)[1] == 0


@pytest.mark.parametrize("bos", [True, False])
@pytest.mark.parametrize("text", [TEXT, "🐎🐎", " two  spaces ", "é"])
def test_the_letters_of_the_tokens_are_the_text(
    text: str, bos: bool, make_model: ModelMaker
) -> None:
    model = make_model(bos=bos)
    (ids,) = model.tokens([text])
    letters, begins = letters_of(model, text, ids)
    assert "".join(letters) == text
    assert len(letters) == len(ids) == len(begins)
    assert (np.diff(begins) >= 0).all()
    assert (letters[0] == "") == bos or text[0] in "🐎é"


def test_what_cannot_be_read_is_one_line(make_model: ModelMaker) -> None:
    model = make_model(bos=False)
    with pytest.raises(DataError, match="one token, so there is nothing to predict"):
        token_changes(model, "a", {})
    with pytest.raises(DataError, match="reads 128 at most"):
        token_changes(model, "bread " * 300, {})
    with pytest.raises(ModelError, match="is an encoder"):
        token_changes(make_model("bert"), TEXT, {})


def test_under_the_masks_of_an_earlier_map(
    folder_of: Callable[..., Path], own_files: tuple[Path, ...], tmp_path: Path
) -> None:
    target, other, *_ = own_files
    settings = Settings(
        f"local/{folder_of()}", target=target, control=other, untrained_seeds=0, device="cpu",
    )  # fmt: skip
    _, found, folder = localize_only(settings, tmp_path / "map")
    chosen = {"top": (20.0,), "controls": read_controls("layer-matched:1")}
    read = tokens_under(folder, TEXT, **chosen)
    assert [*read.masked] == ["top-20", "layer-matched-20-s00"]
    # Where the top has massive units it is there without them, too.
    with patch("common.measure.massive.threshold_of", lambda _: 1.6):
        quiet = tokens_under(folder, TEXT, **chosen)
    n_quiet = 10 - int(np.isin(found.ranking[:10], np.flatnonzero(found.times_median >= 1.6)).sum())
    assert [*quiet.masked] == ["top-20", "without-massive-20", "layer-matched-20-s00"]
    assert [*quiet.n_units.values()] == [10, n_quiet, 10]
    told = json.loads(json.dumps(read.as_json()))
    assert told["tokens"][0] == {
        "token": "<s>", "intact": None, "lost": dict.fromkeys(read.masked),
    }  # fmt: skip
    assert told["masks"]["top-20"]["units"] == read.n_units["top-20"]
    lost = [each["lost"]["top-20"] for each in told["tokens"][1:]]
    assert told["masks"]["top-20"]["mean"] == pytest.approx(np.mean(lost))


def test_colours_and_lines_follow_the_loss_and_nothing_is_mark_up(make_model: ModelMaker) -> None:
    model = make_model()
    found = localize(model, STIMULI, find_sites(model))
    text = "the old <b>dog</b> & king"
    read = token_changes(model, text, {"top": top_percent(found, 20)})
    lost = np.array([np.nan, *np.linspace(-7, 7, len(read.tokens) - 1)])
    masked = {"top": read.intact - lost}
    page = coloured(replace(read, masked=masked), {"top": "Without <i>them</i>"}, 8)
    assert "<b>" not in page
    assert "<i>" not in page
    for change in lost[1:]:
        step = sum(abs(change) >= least for least in (0.5, 1.5, 3, 6))
        assert not step or f"class='fl-t{'l' if change > 0 else 'g'}{step}'" in page
        kind = "less" if change >= 0 else "more"
        assert f"title='{abs(change):.2f} nats {kind} likely: log p " in page
    assert page.count("fl-from") == 1
    assert unescape(page).count("␣") > 2
    told = ((" a b ", ""), ("  ", ""), ("\n", ""), ("", "<s>"))
    assert [shown_token(*each) for each in told] == ["␣a b␣", "␣␣", "⏎", "<s>"]
