"""A vision model of one's own, from a file by consent or from a notebook, with all that run has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import transforms as T
from torchvision.transforms import v2

from common.base.errors import ModelError
from common.models import own
from common.models.own import consent, own_model, redrawn, short_name
from common.study.settings import read_controls
from vision_loc import phantom
from vision_loc.cli import main
from vision_loc.experiment import Settings, run
from vision_loc.models import VisionModel, load_model
from vision_loc.notebook import experiment, vision_model
from vision_loc.preprocess import noise

FILE = """
import torch
from torch import nn
from beside import WIDTH

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
    def forward(self, x):
        return x + torch.relu(self.conv(x))

def net():
    return nn.Sequential(
        nn.Conv2d(3, WIDTH, 3), Block(), Block(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )

def bare(): return net()
def said(): return net(), {"size": 16, "mean": 0.5, "std": 0.25}, list("abcd")
def fixed():
    torch.manual_seed(9)
    return {"module": net(), "size": 16}
def chosen(untrained=False):
    torch.manual_seed(9 + untrained)
    return net(), 16
def scaled():
    module = net()
    torch.nn.init.constant_(module[0].weight, 1.0)
    module.gain = nn.Parameter(torch.ones(3))
    return module, 16
def broken():
    return undefined
def number(): return 3
def wants(width): return net()
def empty(): return nn.ReLU()
def grey(): return nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
def features(): return nn.Conv2d(3, 4, 3)
def many(): return net(), 16, list("abcd"), 1
def odd(): return net(), {"width": 16}
def few(): return net(), 16, ["a"]
def leaves(): raise SystemExit("no")
"""


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Names of models by their function; nobody has consented yet."""
    monkeypatch.setattr(own, "_consented", set())
    (tmp_path / "mine.py").write_text(FILE)
    (tmp_path / "beside.py").write_text("WIDTH = 4\n")
    return lambda function: f"python:{tmp_path / 'mine.py'}:{function}"


def loaded(model: str, **how: Any) -> VisionModel:
    consent(model)
    return load_model(model, **how)


def test_code_is_run_where_it_is_named_on_a_command_line_and_nowhere_else(
    name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = name("said")
    with pytest.raises(ModelError, match="only where a command line names it"):
        load_model(model)
    monkeypatch.setattr("sys.argv", ["vision-loc", "sites", "--model", model, "--kind", "block"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert "1:output" in capsys.readouterr().out
    load_model(model)
    with pytest.raises(ModelError, match="only where a command line names it"):
        load_model(name("bare"))
    consent()
    load_model(name("bare"))


def test_what_a_function_says_is_what_the_model_has(name: Callable[[str], str]) -> None:
    model = loaded(name("said"))
    assert (model.n_classes, model.classes.names) == (4, tuple("abcd"))
    assert not model.unsaid
    pixels = torch.full((1, 3, 16, 16), 255, dtype=torch.uint8)
    assert torch.equal(model.preprocess.normalize(pixels), torch.full((1, 3, 16, 16), 2.0))
    assert model.preprocess.geometry(noise(40, 20)).shape == (16, 16, 3)
    assert not model.module.training
    bare = loaded(name("bare"))
    assert "224 x 224 pixels and ImageNet's mean and deviation" in bare.describe()["unsaid"]
    assert "ImageNet's" in loaded(name("fixed")).unsaid


def test_the_code_is_a_part_of_what_the_model_is(
    name: Callable[[str], str], tmp_path: Path
) -> None:
    first = loaded(name("fixed")).describe()["fingerprint"]
    assert loaded(name("fixed")).describe()["fingerprint"] == first
    (tmp_path / "mine.py").write_text(FILE.replace("x + torch", "x - torch"))
    assert loaded(name("fixed")).describe()["fingerprint"] != first


@pytest.mark.parametrize("function", ["bare", "fixed", "chosen"])
def test_untrained_networks_have_other_weights_by_their_seed(
    name: Callable[[str], str], function: str
) -> None:
    trained = loaded(name(function), seed=5).module.state_dict()
    one, two, again = (loaded(name(function), untrained=True, seed=seed) for seed in (0, 1, 0))
    assert (one.untrained, one.seed) == (True, 0)
    first, other = one.module.state_dict(), two.module.state_dict()
    assert not torch.equal(first["1.conv.weight"], trained["1.conv.weight"])
    if function != "chosen":  # which seeds itself
        assert not torch.equal(first["1.conv.weight"], other["1.conv.weight"])
    assert torch.equal(first["1.conv.weight"], again.module.state_dict()["1.conv.weight"])


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("broken", r"mine.py line 3\d: NameError name 'undefined' is not defined"),
        ("leaves", r"mine.py line \d+: SystemExit no"),
        ("number", "returns int; let it return an nn.Module"),
        ("wants", "wants 'width'"),
        ("empty", "has no parameters"),
        ("grey", "cannot look at a picture of 3 x 224 x 224 .*; say the size"),
        ("features", r"of one picture it gives shape \(1, 4, 222, 222\)"),
        ("many", "returns 4 things"),
        ("odd", "says 'width'; it may say size, mean"),
        ("few", "1 names of classes were given, and it has 4"),
        ("nothing", "has no function called nothing"),
        ("a b", "write python:FILE.py:FUNCTION"),
    ],
)
def test_what_is_wrong_is_one_line(name: Callable[[str], str], function: str, said: str) -> None:
    with pytest.raises(ModelError, match=said) as told:
        loaded(name(function))
    assert "\n" not in str(told.value)


def test_a_file_that_is_not_there_or_no_python_is_one_line(
    name: Callable[[str], str], tmp_path: Path
) -> None:
    consent()
    with pytest.raises(ModelError, match="there is no file"):
        own_model(name("bare").replace("mine", "yours"))
    (tmp_path / "mine.py").write_text("x = 1\ndef f(:\n")
    with pytest.raises(ModelError, match=r"mine.py line 2: SyntaxError"):
        own_model(name("f"))


def test_weights_that_nobody_can_draw_are_refused(name: Callable[[str], str]) -> None:
    with pytest.raises(ModelError, match=r"nobody knows how gain is drawn .* take untrained"):
        loaded(name("scaled"), untrained=True)
    attention = nn.MultiheadAttention(4, 2)
    fresh = redrawn("mine", attention)
    assert not torch.equal(fresh.in_proj_weight, attention.in_proj_weight)


def no_transform(_: Any) -> Any:
    raise AttributeError("gone")


def brighter(seen: Any) -> Any:
    return 2 * seen if isinstance(seen, torch.Tensor) else seen


@pytest.mark.parametrize(
    "transform",
    [
        T.Compose([T.Resize(20), T.CenterCrop(16), T.ToTensor(), T.Normalize(0.5, 0.25)]),
        T.Compose([T.Resize((16, 16)), T.ToTensor()]),
        v2.Compose([
            v2.Resize((16, 16)), v2.ToImage(), v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.1, 0.2, 0.3], [0.4, 0.5, 0.6]),
        ]),
    ],
)  # fmt: skip
def test_a_transform_is_what_it_is_as_a_whole(transform: Any) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    made = vision_model(net, transform=transform)
    picture = noise(70, 50)
    pixels = torch.tensor(made.preprocess.geometry(picture)).permute(2, 0, 1)[None]
    assert torch.allclose(made.preprocess.normalize(pixels)[0], transform(picture), atol=1e-5)
    with pytest.raises(ModelError, match="does more than resize"):
        vision_model(net, transform=T.Compose([T.Resize((16, 16)), T.ToTensor(), brighter]))
    with pytest.raises(ModelError, match="AttributeError"):
        vision_model(net, transform=no_transform)
    with pytest.raises(ModelError, match="either a transform, or size"):
        vision_model(net, transform=transform, size=3)


def test_from_a_notebook_a_run_has_the_numbers_that_it_has_by_name(tmp_path: Path) -> None:
    how = {"controls": read_controls("random:2,layer-matched:2"), "top": (6.25,), "device": "cpu"}
    where = {"localizer": "phantom-planted:pattern", "evaluation": "phantom-planted"}
    named, *_ = run(
        Settings(model="phantom/planted", untrained_seeds=0, **where, **how), tmp_path / "named"
    )
    net = phantom.load("planted").train()
    size = phantom.INPUT_SIZE[1]
    model = vision_model(phantom.load("planted"), size=size, mean=phantom.MEAN, std=phantom.STD)
    mine = experiment(model, "mine")
    results, folder, done = mine.run(**where, **how, untrained_seeds="0", out=tmp_path / "mine")
    assert [each.groups for each in results.ablations] == [e.groups for e in named.ablations]
    assert (results.model.name, done) == ("notebook/mine", False)
    assert mine.run(**where, **how, untrained_seeds=0, out=str(folder))[2]
    again, *_ = mine.evaluate(folder, evaluation="phantom-planted", controls="", out=tmp_path / "e")
    assert again.top(6.25).groups == named.top().groups
    bare = experiment(net)
    _, found, _ = bare.localize(localizer="phantom-planted:pattern", out=tmp_path / "map")
    assert net.training  # a module that is given stays as it is
    assert found.n_units == results.selectivity.n_units
    with pytest.raises(ModelError, match="only there it is at hand"):
        load_model("notebook/mine")


@pytest.mark.parametrize(
    ("model", "short"),
    [("python:a/my.py:build", "my-build"), ("timm/x.y", "x.y"), ("hf/o/n@r", "n@r")],
)
def test_a_folder_is_called_by_the_file_and_its_function(model: str, short: str) -> None:
    assert short_name(model) == short
