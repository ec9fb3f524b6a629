"""The network: its size at every depth, its first weights, its reach, and tiles."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import tiny_raw
import torch

from sidcap.model import DEPTHS, UNet, enhance


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with tiny_raw.one_thread():
        yield


PARAMETERS = {-2: 467_084, -1: 1_926_028, 0: 7_760_268, 1: 31_094_156}
"""Convolutions with a bias, transposed convolutions without one; 0 is SID's 7.76 million."""


@pytest.mark.parametrize("depth", DEPTHS)
def test_every_depth_has_its_number_of_parameters_and_doubles_the_size(depth: int) -> None:
    network = UNet(depth)
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[depth]
    assert network.multiple == {-2: 4, -1: 8, 0: 16, 1: 32}[depth]
    with torch.inference_mode():
        assert network(torch.zeros(2, 4, 32, 64)).shape == (2, 3, 64, 128)


def test_an_unknown_depth_is_refused() -> None:
    with pytest.raises(ValueError, match="depth 2"):
        UNet(2)


def test_the_first_weights_come_from_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = UNet(-2, seed=3).state_dict()
    torch.manual_seed(2)
    assert all(torch.equal(first[name], value) for name, value in UNet(-2, seed=3).state_dict().items())
    assert not torch.equal(first["to_subpixels.weight"], UNet(-2, seed=4).state_dict()["to_subpixels.weight"])


def test_the_first_weights_are_distributed_as_in_the_original() -> None:
    network = UNet(0)
    convolution = network.encoders[4].get_parameter("2.weight")  # 512 -> 512, 3 x 3: Glorot's limit
    limit = (6 / (9 * (512 + 512))) ** 0.5
    assert limit * 0.999 < float(convolution.detach().abs().max()) <= limit
    transposed = network.upsamplers[0].get_parameter("weight")
    assert float(transposed.detach().abs().max()) <= 0.04
    assert float(transposed.detach().std()) == pytest.approx(
        0.02 * 0.88, rel=0.01
    )  # what cutting at 2 sigma leaves of 0.02
    assert all(not parameter.any() for name, parameter in network.named_parameters() if name.endswith("bias"))


def all_positive(depth: int) -> UNet:
    """A network in which whatever an output pixel can see changes it."""
    network = UNet(depth)
    for parameter in network.parameters():
        parameter.data = parameter.data.abs() + 1e-3
    return network.double()


@pytest.mark.parametrize("depth", DEPTHS)
def test_nothing_beyond_the_halo_is_seen_and_the_halo_is_no_wider_than_it_must_be(depth: int) -> None:
    network = all_positive(depth)
    width = 4 * network.halo
    dark = torch.zeros(1, 4, network.multiple, width, dtype=torch.float64)
    with torch.inference_mode():
        before = network(dark)
        for distance, seen in ((network.halo - network.multiple, True), (network.halo + 1, False)):
            lit = dark.clone()
            lit[..., : 2 * network.halo - distance] = 1
            column = network(lit)[..., 4 * network.halo] - before[..., 4 * network.halo]
            assert bool(column.any()) is seen


@pytest.mark.parametrize(("depth", "size"), [(-2, (45, 67)), (-1, (9, 131)), (-1, (131, 9))])
def test_tiles_give_what_the_whole_frame_gives(depth: int, size: tuple[int, int]) -> None:
    network = all_positive(depth).float()
    planes = np.random.default_rng(0).normal(0.2, 0.1, (4, *size)).astype(np.float32)
    whole = enhance(network, planes, tile=1024)
    assert whole.shape == (2 * size[0], 2 * size[1], 3)
    np.testing.assert_allclose(enhance(network, planes, tile=2 * network.multiple), whole, rtol=1e-6)


def test_a_frame_of_any_size_is_filled_up_and_cut_again() -> None:
    network = UNet(-2)
    planes = np.random.default_rng(0).random((4, 13, 22), np.float32)
    mirrored = np.pad(planes, ((0, 0), (0, 3), (0, 2)), mode="reflect")
    with torch.inference_mode():
        expected = network(torch.from_numpy(mirrored)[None])[0, :, :26, :44].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(enhance(network, planes), expected, atol=1e-6)
