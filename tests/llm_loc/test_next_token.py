"""What one release of transformers calls a cache and the next calls otherwise."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from llm_loc.models import LanguageModel


class Renamed(dict[str, Any]):
    """An output that is asked by its own name alone: a release warns of an old one."""

    def get(self, name: str, default: Any = None) -> Any:
        assert name in self, name
        return super().get(name, default)


class Counts(torch.nn.Module):
    """Its cache is how many tokens it read; its logits say how many it was fed and had read."""

    def answer(self, fed: torch.Tensor, read: int | None, name: str) -> Renamed:
        logits = torch.tensor([[[float(fed.shape[1]), float(read or 0)]]])
        answer = Renamed({name: (read or 0) + fed.shape[1], "logits": logits})
        answer.logits = logits  # type: ignore[attr-defined]
        return answer


class New(Counts):
    def forward(self, input_ids: torch.Tensor, cache: int | None = None, **_: Any) -> Any:
        return self.answer(input_ids, cache, "cache")


class Old(Counts):
    def forward(self, input_ids: torch.Tensor, past_key_values: int | None = None, **_: Any) -> Any:
        return self.answer(input_ids, past_key_values, "past_key_values")


class OldMamba(Counts):
    def forward(
        self,
        input_ids: torch.Tensor,
        cache_params: int | None = None,
        cache_position: torch.Tensor | None = None,
        **_: Any,
    ) -> Any:
        if cache_params is not None:
            assert cache_position is not None
            assert cache_position.tolist() == [cache_params]
        return self.answer(input_ids, cache_params, "cache_params")


class Rwkv(Counts):
    def forward(self, input_ids: torch.Tensor, state: int | None = None, **_: Any) -> Any:
        return self.answer(input_ids, state, "state")


@pytest.mark.parametrize("network", [New, Old, OldMamba, Rwkv])
def test_a_cache_goes_by_the_name_that_the_forward_takes(network: type[Counts]) -> None:
    model = LanguageModel("toy", network(), tokenizer=None)
    rows, cache = torch.tensor([[3, 4, 5]]), {}
    seen = []
    for token in (6, 7):
        logits, cache = model.next_token(rows, cache)
        seen.append(logits[0].tolist())
        rows = torch.cat([rows, torch.tensor([[token]])], dim=1)
    assert seen == [[3, 0], [1, 3]]
    assert set(cache.values()) == {4}
