"""Child seeds are apart from each other, and global generators come back as they were."""

import hashlib

import torch

from hashquant.machine.seeds import child_seed, generator, repeatable, seeded

CPU = torch.device("cpu")


def test_stages_seeds_and_numbers_give_different_seeds():
    seeds = {
        child_seed(0, "shuffle", 1),
        child_seed(0, "shuffle", 11),
        child_seed(0, "shuffle1", 1),
        child_seed(0, "augment", 1),
        child_seed(1, "shuffle", 1),
        child_seed(0, "shuffle", "1"),
    }
    assert len(seeds) == 6
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_child_seed_is_the_documented_hash():
    digest = hashlib.sha256(b'[0, "shuffle", 1]').digest()
    assert child_seed(0, "shuffle", 1) == int.from_bytes(digest[:8], "big") // 2


def test_seeded_repeats_and_restores_the_global_generator():
    torch.manual_seed(7)
    expected_after = torch.rand(3)
    torch.manual_seed(7)
    with seeded(0, "dropout", device=CPU):
        first = torch.rand(3)
    assert torch.equal(torch.rand(3), expected_after)
    with seeded(0, "dropout", device=CPU):
        assert torch.equal(torch.rand(3), first)


def test_a_generator_starts_where_its_stage_starts():
    assert torch.equal(
        torch.rand(4, generator=generator(3, "a")), torch.rand(4, generator=generator(3, "a"))
    )


def test_repeatable_leaves_the_cpu_as_it_is():
    before = torch.are_deterministic_algorithms_enabled()
    with repeatable(CPU):
        assert torch.are_deterministic_algorithms_enabled() == before


def test_repeatable_on_cuda_asks_for_deterministic_kernels_and_ieee_fp32_and_gives_them_back():
    def flags():
        cudnn = torch.backends.cudnn
        return (
            torch.are_deterministic_algorithms_enabled(), cudnn.enabled, cudnn.benchmark,
            cudnn.deterministic, cudnn.allow_tf32,
        )  # fmt: skip

    before = flags()
    with repeatable(torch.device("cuda")):  # flags only: no CUDA device is touched
        assert flags() == (True, True, False, True, False)
    assert flags() == before
