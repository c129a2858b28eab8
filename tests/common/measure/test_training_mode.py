"""A model that is being trained is not hooked: its batch norm would move, and dropout draw."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from common import ablate, record, sites, top_percent, welch
from common.base.errors import ModelError
from common.measure.attach import check_evaluates


class Draws(nn.Module):
    """Looks at ``training`` by itself, as most models of others do."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(x, 0.5, self.training)


def network(*more: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), *more, nn.Linear(8, 2))


def test_a_pass_in_training_mode_is_refused_and_moves_nothing() -> None:
    model = network(nn.BatchNorm1d(8)).eval()
    where = sites(model, pattern="0", example=torch.zeros(1, 4))
    images = torch.randn(6, 4)
    with record(model, where) as one, torch.no_grad():
        model(images)
    with record(model, where) as two, torch.no_grad():
        model(-images)
    mask = top_percent(welch(one.moments, two.moments), 30)
    model.train()
    before = model[2].running_mean.clone()
    for hooked in (lambda: record(model, where), lambda: ablate(model, mask)):
        said = r"in which 2 \(BatchNorm1d\) .* call model.eval"
        with pytest.raises(ModelError, match=said), hooked():
            model(images)
    assert torch.equal(model[2].running_mean, before)
    model.eval()
    with ablate(model, mask), torch.no_grad():
        model(images)


@pytest.mark.parametrize(
    ("module", "refused"),
    [
        (nn.Dropout(0.1), True),
        (nn.Dropout(0.0), False),
        (nn.BatchNorm2d(2), True),
        (nn.BatchNorm2d(2, track_running_stats=False), False),
        (nn.InstanceNorm2d(2), False),
        (nn.LayerNorm(2), False),
        (nn.LSTM(2, 2, num_layers=2, dropout=0.2), True),
        (nn.GRU(2, 2), False),
        (nn.MultiheadAttention(2, 1, dropout=0.3), True),
        (nn.TransformerEncoderLayer(2, 1, 2, dropout=0.0), False),
        (nn.TransformerEncoderLayer(2, 1, 2, dropout=0.1), True),
        (nn.RReLU(), True),
        (Draws(), True),
        (network(), False),
    ],
)
def test_only_what_trains_otherwise_is_refused(module: nn.Module, refused: bool) -> None:
    check_evaluates(module.eval())
    module.train()
    if not refused:
        check_evaluates(module)
        return
    with pytest.raises(ModelError, match="in training mode"):
        check_evaluates(module)
