"""GGUF files: the model that the packed weights stand for, or one line that says why not."""

from __future__ import annotations

from pathlib import Path

import gguf
import pandas as pd
import pytest
import torch

from common import ablate
from common.base.errors import ModelError
from common.measure.masks import Mask, load_masks
from common.measure.scores import SelectivityMap
from common.models.packages import Packages
from llm_loc import gguf as ours
from llm_loc import packages
from llm_loc.catalogue import catalogue
from llm_loc.experiment import Settings, run
from llm_loc.load import load_model
from llm_loc.localize import survey_of
from tests.llm_loc.ggufs import make_llama, rounded, save_gguf
from tests.wheels import index as index
from tests.wheels import make_package

F32, Q8_0, Q4_1 = (gguf.GGMLQuantizationType[name] for name in ("F32", "Q8_0", "Q4_1"))
TEXT = "the old farmer sold his horse"


@pytest.mark.parametrize("packing", [F32, Q8_0, Q4_1])
def test_a_file_is_the_model_that_it_stands_for(
    packing: gguf.GGMLQuantizationType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original, tokenizer = make_llama()
    path = save_gguf(tmp_path / "tiny.gguf", original, tokenizer, packing)
    model = load_model(f"local/{path}")
    assert capsys.readouterr().err == ""
    with torch.no_grad():
        for weight in original.parameters():
            if weight.ndim == 2 and packing != F32:
                weight.copy_(rounded(weight.detach(), packing))
    ids = model.tokens([TEXT])
    assert ids == tokenizer([TEXT])["input_ids"]
    with torch.inference_mode():
        expected = original(torch.tensor(ids)).logits
        torch.testing.assert_close(model.logits(model.batch(ids)), expected, atol=1e-5, rtol=1e-4)
    assert model.causal
    assert model.context == original.config.max_position_embeddings
    assert {str(site) for site in survey_of(model).offered("block")} == {
        "model.layers.0:output", "model.layers.1:output",
    }  # fmt: skip


def test_it_is_no_longer_marked_as_quantised(tmp_path: Path) -> None:
    path = save_gguf(tmp_path / "tiny.gguf", *make_llama(), Q8_0)
    model = load_model(f"local/{path}", dtype=torch.bfloat16)
    assert model.dtype == torch.bfloat16
    assert not getattr(model.module, "is_quantized", False)
    model.module.to(torch.float32)
    model.module.save_pretrained(tmp_path / "saved")  # type: ignore[operator]
    assert (tmp_path / "saved" / "model.safetensors").is_file()


def test_a_whole_run_on_a_file(own_files: tuple[Path, ...], tmp_path: Path) -> None:
    path = save_gguf(tmp_path / "tiny.gguf", *make_llama(), Q8_0)
    target, control, pairs, _ = own_files
    settings = Settings(
        model=f"local/{path}", target=target, control=control, evaluation=str(pairs),
        target_group="animals", top=(25,), controls=(), kind="head", device="cpu",
        untrained_seeds=1,
    )  # fmt: skip
    results, folder, _ = run(settings, tmp_path / "run")
    assert results.selectivity.unit == "head"
    assert results.baseline is not None
    assert len(results.baseline.untrained) == 1
    model = load_model(f"local/{path}")
    with ablate(model.module, read_masks(folder)["top-25"]):
        (good, bad) = model.tokens(["the dog sleeps here", "the dog here sleeps"])
        with torch.inference_mode():
            sums = [
                model.logits(model.batch([ids]))[0, :-1].log_softmax(-1)
                .gather(1, torch.tensor(ids)[1:, None]).sum().item()
                for ids in (good, bad)
            ]  # fmt: skip
    items = pd.read_csv(folder / "items.csv")
    row = items[(items["mask"] == "top-25")].iloc[0]
    assert row["margin"] == pytest.approx(sums[0] - sums[1], abs=1e-3)


def read_masks(folder: Path) -> dict[str, Mask]:
    found = SelectivityMap.load(folder / "selectivity.safetensors")
    return load_masks(folder / "masks.safetensors", found)


def test_random_weights_of_its_architecture(tmp_path: Path) -> None:
    path = save_gguf(tmp_path / "tiny.gguf", *make_llama())
    one, two = (load_model(f"local/{path}", untrained=True, seed=1) for _ in range(2))
    assert one.describe()["fingerprint"] == two.describe()["fingerprint"]
    assert one.describe()["fingerprint"] != load_model(f"local/{path}").describe()["fingerprint"]


def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    path = save_gguf(tmp_path / "odd.gguf", *make_llama(), architecture="abacus")
    with pytest.raises(ModelError, match=r"odd.gguf: .*abacus.*not supported"):
        load_model(f"local/{path}")
    (tmp_path / "text.gguf").write_text("no model at all, though it is long enough to hold one")
    with pytest.raises(ModelError, match=r"local/.*text.gguf: cannot be (built|read)"):
        load_model(f"local/{tmp_path / 'text.gguf'}")
    with pytest.raises(ModelError, match=r"gone.gguf: nothing there"):
        load_model(f"local/{tmp_path / 'gone.gguf'}")
    with pytest.raises(ModelError, match=r"model.bin is no GGUF file; write hf/ORG/NAME:FILE.gguf"):
        load_model("hf/some/one:model.bin")


def test_without_the_package_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_gguf(tmp_path / "tiny.gguf", *make_llama())
    monkeypatch.setattr(ours, "find_spec", lambda _name: None)
    with pytest.raises(ModelError, match=r"gguf and accelerate; pip install 'funcloc\[gguf\]'"):
        load_model(f"local/{path}")


def test_a_file_of_the_hub_is_asked_for_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, str] = {}

    def read(_name: str, place: str, _untrained: bool, where: dict, _how: dict) -> None:
        asked.update(where, place=place)
        raise ModelError("far enough")

    monkeypatch.setattr("llm_loc.load.read_model", read)
    monkeypatch.setattr("common.base.hub._reachable", lambda: False)
    with pytest.raises(ModelError, match="far enough"):
        load_model("hf/some/one@v2:deep/tiny.Q4_1.gguf")
    assert asked == {"revision": "v2", "gguf_file": "deep/tiny.Q4_1.gguf", "place": "some/one"}


def test_files_in_the_models_folder_are_listed(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.gguf").touch()
    found = [entry for entry in catalogue(tmp_path) if entry.where == "local"]
    assert [(entry.name, entry.label) for entry in found] == [
        (f"local/{tmp_path}/deep/a.gguf", "a.gguf")
    ]


def test_a_package_of_a_file_becomes_a_folder_that_is_read_without_it(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, tokenizer = make_llama()
    weights = save_gguf(tmp_path / "tiny.gguf", original, tokenizer, Q8_0).read_bytes()
    package = make_package(index, weights, "gguf", file="tiny_weights/tiny.bin")
    found = Packages("gguf", packages.convert, needs=ours.check_gguf, table=(package,))
    monkeypatch.setattr("llm_loc.load.PACKAGES", found)
    model = load_model("pip/tiny")
    direct = load_model(f"local/{tmp_path / 'tiny.gguf'}")
    assert model.describe()["fingerprint"] == direct.describe()["fingerprint"]
    assert model.tokens([TEXT]) == direct.tokens([TEXT])
    monkeypatch.setattr(ours, "find_spec", lambda _name: None)
    assert load_model("pip/tiny").context == direct.context
