"""A language model of one's own, written by hand: from a file by consent, or from a notebook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from common.base.errors import ModelError
from common.models import own
from common.models.own import consent
from llm_loc.load import load_model
from llm_loc.localize import find_sites
from llm_loc.notebook import experiment, language_model
from llm_loc.own import ByHand

CONTEXT = 100


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        x = x + self.out(scaled_dot_product_attention(q, k, v, is_causal=True))
        return x + self.down(gelu(self.up(x)))


class GPT(nn.Module):
    """As people write it: token ids in, logits and perhaps a loss out."""

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(128, width), nn.Embedding(CONTEXT, width)
        self.blocks = nn.ModuleList([Block(width) for _ in range(2)])
        self.head = nn.Linear(width, 128)

    def forward(self, idx: Tensor, targets: Tensor | None = None) -> Any:  # noqa: ARG002
        x = self.token(idx) + self.place(torch.arange(idx.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(x), None


class Looking(GPT):
    def forward(self, idx: Tensor, targets: Tensor | None = None) -> Any:  # noqa: ARG002
        return self.head(self.token(idx).mean(1, keepdim=True) + self.token(idx))


class Letters:
    def encode(self, text: str) -> list[int]:
        return [min(ord(letter), 127) for letter in text]

    def decode(self, ids: list[int]) -> str:
        return "".join(map(chr, ids))


def test_a_module_by_hand_reads_as_it_does_alone_whatever_the_batch() -> None:
    net = GPT()
    model = language_model(net, Letters())
    assert (model.context, model.vocabulary) == (CONTEXT, 128)
    assert [site.module for site in find_sites(model)] == ["blocks.0", "blocks.1"]
    ids = model.tokens(["one text", "another, longer text"])
    batch = model.batch(ids)
    with torch.no_grad():
        alone = net(torch.tensor([ids[0]]))[0]
        assert torch.allclose(model.logits(batch)[0, : len(ids[0])], alone[0], atol=1e-5)
        after, cache = model.next_token(torch.tensor([ids[0]]), {})
    assert torch.allclose(after, alone[:, -1], atol=1e-5)
    assert not cache
    assert model.tokenizer.decode(ids[0]) == "one text"
    model.module.train()
    assert net.training
    model.module.eval()
    assert not net.training


@pytest.mark.parametrize(
    ("module", "tokenizer", "said"),
    [
        (Looking(), Letters(), "a later token changes what it says"),
        (nn.Linear(3, 3), Letters(), "has no nn.Embedding"),
        (nn.Sequential(nn.Embedding(9, 4), nn.Flatten()), Letters(), r"of 7 tokens it gives \(1, "),
        (GPT(), "words", "its tokenizer is str"),
    ],
)
def test_what_reads_no_tokens_is_refused(module: nn.Module, tokenizer: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        language_model(module, tokenizer)


def test_a_tokenizer_of_tokenizers_is_one() -> None:
    words = Tokenizer(WordLevel({"a": 0, "b": 1, "?": 2}, unk_token="?"))
    words.pre_tokenizer = Whitespace()
    model = language_model(GPT(), words, context=50)
    assert model.tokens(["a b a", "c"]) == [[0, 1, 0], [2]]
    assert model.context == 50


def test_from_a_notebook_it_runs_goes_on_and_has_its_untrained_networks(tmp_path: Path) -> None:
    torch.manual_seed(1)
    net = GPT()
    mine = experiment(language_model(net, Letters()), "mine")
    how = {"localizer": "phantom-lm:language", "evaluation": "phantom-lm", "items": 1,
           "controls": "random:1", "top": "5", "device": "cpu", "untrained_seeds": 1}  # fmt: skip
    results, folder, done = mine.run(**how, out=tmp_path / "run")
    assert (results.model.name, results.model.context, done) == ("notebook/mine", CONTEXT, False)
    assert results.baseline is not None
    assert len(results.baseline.untrained) == 1
    assert mine.run(**how, out=folder)[2]
    again, *_ = mine.evaluate(
        folder, evaluation="phantom-lm", items=1, top="5", controls="", out=tmp_path / "again"
    )
    assert again.top().groups == results.top().groups
    other, *_ = experiment(lambda: language_model(GPT(), Letters())).localize(
        localizer="phantom-lm:language", untrained_seeds=0, out=tmp_path / "other"
    )
    assert other.model.fingerprint != results.model.fingerprint


def test_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "_consented", set())
    (tmp_path / "mine.py").write_text(
        "from tests.llm_loc.test_own_model import GPT, Letters\n"
        "def pair(): return GPT(), Letters()\n"
        "def said(): return {'module': GPT(), 'tokenizer': Letters(), 'context': 30}\n"
        "def alone(): return GPT()\n"
    )
    name = f"python:{tmp_path / 'mine.py'}"
    with pytest.raises(ModelError, match="only where a command line names it"):
        load_model(f"{name}:pair")
    consent()
    assert isinstance(load_model(f"{name}:pair").module, ByHand)
    one, two = (load_model(f"{name}:said", untrained=True, seed=seed) for seed in (0, 1))
    assert (one.context, one.untrained) == (30, True)
    assert one.describe()["fingerprint"] != two.describe()["fingerprint"]
    with pytest.raises(ModelError, match=r"has to return \(module, tokenizer\)"):
        load_model(f"{name}:alone")
