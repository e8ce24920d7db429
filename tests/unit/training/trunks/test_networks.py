"""Trunks: the paper's parameter counts, shapes at every size, and local weights."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from hashquant.errors import UsageError
from hashquant.training import trunks
from hashquant.training.trunks import SphereBlock, build_trunk


def parameters(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("name", "image_size", "features", "trunk", "total"),
    [
        ("sphere20", 32, 512, 11_665_728, 15_877_952),
        ("sphere20", 32, 516, 11_665_728, 15_910_732),
        ("sphere20", 112, 256, 11_665_728, 18_139_200),
        ("sphere20", 112, 384, 11_665_728, 21_350_848),
        ("sphere20", 112, 512, 11_665_728, 24_562_496),
        ("sphere20", 112, 2048, 11_665_728, 63_102_272),
        ("sphere20-narrow", 32, 512, 732_240, 1_786_448),
        ("sphere64", 32, 512, 37_205_568, 41_417_792),
    ],
)
def test_sphere_nets_have_the_papers_parameter_counts(name, image_size, features, trunk, total):
    with torch.device("meta"):
        net = build_trunk(name, image_size, features)
    assert (parameters(net.body[0]), parameters(net)) == (trunk, total)


def test_stages_of_sphere20_have_the_papers_parameter_counts():
    with torch.device("meta"):
        layers = list(build_trunk("sphere20", 32, 512).body[0])
    starts = [i for i, layer in enumerate(layers) if isinstance(layer, nn.Conv2d)]
    ends = [*starts[1:], len(layers)]
    counts = [sum(map(parameters, layers[a:b])) for a, b in zip(starts, ends, strict=True)]
    assert counts == [76_096, 665_600, 5_020_672, 5_903_360]


def test_a_block_adds_its_input_after_the_last_activation():
    block = SphereBlock(3).eval()
    x = torch.randn(2, 3, 5, 5)
    conv, norm, act, conv2, norm2, act2 = block.path
    expected = x + act2(norm2(conv2(act(norm(conv(x))))))
    torch.testing.assert_close(block(x), expected)
    assert conv.bias is None
    assert act.weight.tolist() == [0.25] * 3  # one slope a channel


@pytest.mark.parametrize(
    ("image_size", "side"), [(16, 2), (28, 4), (32, 4), (64, 8), (96, 6), (112, 7)]
)
def test_image_size_decides_the_flat_width(image_size, side):
    net = build_trunk("sphere20-narrow", image_size, 8).eval()
    assert net.embed[0].in_features == 128 * side * side
    assert net(torch.randn(1, 3, image_size, image_size)).shape == (1, 8)


@pytest.mark.parametrize(
    ("name", "image_size"),
    [
        ("sphere20-narrow", 32),
        ("resnet18", 32),
        ("resnet18", 80),
        ("resnet50", 32),
        ("alexnet", 64),
    ],
)
def test_trunk_runs_channels_last_under_autocast(name, image_size):
    net = build_trunk(name, image_size, 24).to(memory_format=torch.channels_last).train()
    pixels = torch.randn(3, 3, image_size, image_size).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        features = net(pixels)
    assert features.shape == (3, 24)
    features.float().square().sum().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_memory_format_does_not_change_features():
    torch.manual_seed(0)
    net = build_trunk("sphere20-narrow", 32, 16).eval()
    pixels = torch.randn(2, 3, 32, 32)
    expected = net(pixels)
    found = net.to(memory_format=torch.channels_last)(pixels.to(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_resnet_stem_is_small_up_to_64_pixels():
    with torch.device("meta"):
        small, large = build_trunk("resnet18", 64, 8), build_trunk("resnet18", 65, 8)
    assert (small.body.conv1.kernel_size, small.body.conv1.stride) == ((3, 3), (1, 1))
    assert isinstance(small.body.maxpool, nn.Identity)
    assert large.body.conv1.kernel_size == (7, 7)
    assert isinstance(large.body.maxpool, nn.MaxPool2d)


@pytest.mark.parametrize(
    ("name", "image_size"),
    [("sphere20", 15), ("sphere20", 225), ("alexnet", 62), ("resnet18", 8), ("resnet50", 449)],
)
def test_a_size_the_trunk_cannot_take_is_refused(name, image_size):
    with pytest.raises(UsageError, match=rf"image_size must be \d+ to \d+ .*got {image_size}"):
        build_trunk(name, image_size, 8)


def test_an_unknown_trunk_is_refused_with_the_nearest_name():
    with pytest.raises(UsageError, match="did you mean 'sphere20'"):
        build_trunk("spher20", 32, 8)


def test_no_features_are_refused():
    with pytest.raises(UsageError, match="features must be at least 1"):
        build_trunk("sphere20", 32, 0)


@pytest.fixture
def imagenet_like():
    """A ResNet-18 state with its stock classifier, as torchvision publishes it."""
    from torchvision.models import resnet18

    torch.manual_seed(1)
    return resnet18(weights=None).state_dict()


@pytest.mark.parametrize("form", ["pth", "safetensors", "nested", "parallel"])
def test_local_weights_fill_the_body_and_leave_the_classifier(tmp_path, imagenet_like, form):
    path = tmp_path / ("w.safetensors" if form == "safetensors" else "w.pth")
    if form == "safetensors":
        save_file(imagenet_like, path)
    elif form == "nested":
        torch.save({"state_dict": imagenet_like, "epoch": 3}, path)
    elif form == "parallel":
        torch.save({f"module.{k}": v for k, v in imagenet_like.items()}, path)
    else:
        torch.save(imagenet_like, path)
    net = build_trunk("resnet18", 112, 8, weights=path)
    for key, value in net.body.state_dict().items():
        assert torch.equal(value, imagenet_like[key]), key


def test_a_trunks_own_state_can_be_loaded_again(tmp_path):
    torch.manual_seed(0)
    first = build_trunk("sphere20-narrow", 32, 8)
    torch.save(first.state_dict(), tmp_path / "w.pth")
    second = build_trunk("sphere20-narrow", 32, 24, weights=tmp_path / "w.pth")
    key = "0.0.weight"
    assert torch.equal(second.body.state_dict()[key], first.body.state_dict()[key])


def test_weights_that_do_not_fit_are_refused(tmp_path, imagenet_like):
    path = tmp_path / "w.pth"
    torch.save(imagenet_like, path)
    with pytest.raises(UsageError, match=r"'conv1.weight' must have shape \(64, 3, 3, 3\)"):
        build_trunk("resnet18", 32, 8, weights=path)
    with pytest.raises(UsageError, match=r"must hold '0\.0\.weight' for trunk 'sphere20-narrow'"):
        build_trunk("sphere20-narrow", 32, 8, weights=path)
    torch.save({**imagenet_like, "odd": torch.zeros(1)}, path)
    with pytest.raises(UsageError, match="hold 'odd'"):
        build_trunk("resnet18", 112, 8, weights=path)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04 cut"])
def test_a_damaged_weight_file_is_refused(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UsageError, match="must be a readable weight file"):
        build_trunk("resnet18", 112, 8, weights=path)


def test_a_missing_or_foreign_weight_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="weights must be a file"):
        build_trunk("resnet18", 112, 8, weights=tmp_path / "none.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(UsageError, match="must map names to tensors"):
        build_trunk("resnet18", 112, 8, weights=tmp_path / "list.pth")


def test_prelu_has_torchs_values_and_gradients():
    ours, theirs = trunks.PReLU(4), torch.nn.PReLU(4)
    x = torch.randn(3, 4, 5, 5)
    x[0, 0, 0, 0] = 0.0
    slope = torch.tensor([0.25, -0.5, 1.5, 0.0])
    results = []
    for module in (ours, theirs):
        module.weight.data = slope.clone()
        given = x.clone().requires_grad_()
        out = module(given)
        out.square().sum().backward()
        results.append((out, given.grad, module.weight.grad))
    for mine, reference in zip(*results, strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-5, atol=1e-6)
