"""EfficientNet-Lite0: EfficientNet-B0 for phones, without squeeze-and-excitation, with ReLU6.

M. Tan, Q. Le, "EfficientNet: Rethinking model scaling for convolutional neural networks", ICML
2019; the Lite variants are those of TensorFlow's TPU models: stem and head keep their width, batch
norms have an epsilon of 1e-3, and images are padded at their far sides where a stride does not fit.
Tensors are named as the published files name them.
"""

from torch import Tensor, nn
from torch.nn.functional import pad, relu6

#: blocks, kernel, stride of the first block, expansion, channels that come out
STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80),
          (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320))  # fmt: skip
STEM, HEAD = 32, 1280


class EfficientNetLite0(nn.Module):
    """Pixels (n, 3, s, s) → 1,280 values, averaged over places; without the classifier."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _Same(3, STEM, 3, stride=2)
        self._bn0 = _norm(STEM)
        blocks, channels = [], STEM
        for count, kernel, stride, expansion, out in STAGES:
            for place in range(count):
                step = stride if place == 0 else 1
                blocks.append(_Block(channels, out, kernel, step, expansion))
                channels = out
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = _Same(channels, HEAD, 1)
        self._bn1 = _norm(HEAD)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the values of normalised pixels."""
        x = relu6(self._bn0(self._conv_stem(pixels)))
        for block in self._blocks:
            x = block(x)
        return relu6(self._bn1(self._conv_head(x))).mean(dim=(2, 3))


class _Block(nn.Module):
    """Widen, filter each channel apart, narrow; added to the input where both are of one shape."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = channels * expansion
        self._expand_conv = _Same(channels, inner, 1) if expansion > 1 else None
        self._bn0 = _norm(inner) if expansion > 1 else None
        self._depthwise_conv = _Same(inner, inner, kernel, stride=stride, groups=inner)
        self._bn1 = _norm(inner)
        self._project_conv = _Same(inner, out, 1)
        self._bn2 = _norm(out)
        self._added = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        inner = x
        if self._expand_conv is not None and self._bn0 is not None:
            inner = relu6(self._bn0(self._expand_conv(x)))
        inner = relu6(self._bn1(self._depthwise_conv(inner)))
        out: Tensor = self._bn2(self._project_conv(inner))
        return x + out if self._added else out


class _Same(nn.Conv2d):
    """A convolution padded as TensorFlow pads: the odd pixel of padding is at the far side."""

    def __init__(
        self, channels: int, out: int, kernel: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(channels, out, kernel, stride, groups=groups, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """Return the filtered input, ceil(side / stride) pixels wide."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        sides = []
        for side in reversed(input.shape[2:]):  # pad() begins with the last axis
            missing = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            sides += [missing // 2, missing - missing // 2]
        return super().forward(pad(input, sides) if any(sides) else input)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)
