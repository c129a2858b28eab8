"""A trace: which modules ran, in which order, and what each was given and gave."""

from __future__ import annotations

from common.measure.trace import trace
from tests.common.measure.surveyed import ResNet, chain, pixels


def test_a_trace_names_every_call_in_the_order_in_which_it_ended() -> None:
    calls = trace(ResNet().eval(), pixels())
    names = [call.module for call in calls]
    assert names[:3] == ["stem.0", "stem.1", "stem"]
    assert names[-2:] == ["fc", ""]
    assert names.count("layer1.0.relu") == 2
    assert "unused" not in names
    assert [call.module for call in calls[-1].inner] == [
        *("stem", "layer1", "layer2", "dropout", "fc")
    ]


def test_writing_in_place_makes_another_tensor() -> None:
    calls = {call.module: call for call in trace(chain().eval(), pixels())}
    relu, pool = calls["1"], calls["2"]
    assert relu.given == (calls["0"].out,)
    assert relu.out is not None
    assert relu.out != relu.given[0]
    assert pool.given == (relu.out,)
