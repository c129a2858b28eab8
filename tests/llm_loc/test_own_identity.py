"""A tokenizer that is two functions is a part of the model: its vocabulary does not say all."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from llm_loc.notebook import language_model


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token, self.head = nn.Embedding(128, 4), nn.Linear(4, 128)

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.head(self.token(ids))
        return logits


class Letters:
    def __init__(self, lower: bool = False) -> None:
        self.lower = lower

    def encode(self, text: str) -> list[int]:
        return [*(text.lower() if self.lower else text).encode("ascii")]

    def decode(self, ids: list[int]) -> str:
        return bytes(ids).decode("ascii")


def test_how_a_tokenizer_cuts_texts_is_told() -> None:
    torch.manual_seed(0)
    net = Net()
    same, again, other = (
        language_model(net, Letters(lower), context=50).describe()["preprocessing"]
        for lower in (False, False, True)
    )
    assert same == again
    assert same != other
