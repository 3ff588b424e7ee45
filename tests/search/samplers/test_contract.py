"""Each of our samplers keeps the contract that others' samplers are held to."""

from __future__ import annotations

import sys

from tid_tune.search.samplers.cmaes import CmaEsOptions, CmaEsSampler
from tid_tune.search.samplers.gp import GpOptions, GpSampler
from tid_tune.search.samplers.grid import GridSampler
from tid_tune.search.samplers.nsga2 import Nsga2Sampler
from tid_tune.search.samplers.qmc import QmcSampler
from tid_tune.search.samplers.random import RandomSampler
from tid_tune.search.samplers.tpe import TpeOptions, TpeSampler
from tid_tune.searchfile.parts import SAMPLERS
from tid_tune.testing.samplers import FINITE, SamplerContract


class TestTpe(SamplerContract):
    sampler = TpeSampler
    options = TpeOptions(startup_trials=4)


class TestGp(SamplerContract):
    sampler = GpSampler
    options = GpOptions(startup_trials=4)


class TestCmaEs(SamplerContract):
    sampler = CmaEsSampler
    options = CmaEsOptions(startup_trials=4)


class TestNsga2(SamplerContract):
    sampler = Nsga2Sampler


class TestQmc(SamplerContract):
    sampler = QmcSampler


class TestRandom(SamplerContract):
    sampler = RandomSampler


class TestGrid(SamplerContract):
    sampler = GridSampler
    parameters = FINITE


def test_no_sampler_of_ours_is_left_out() -> None:
    held = {
        one.sampler
        for one in vars(sys.modules[__name__]).values()
        if isinstance(one, type) and issubclass(one, SamplerContract) and one is not SamplerContract
    }
    ours = [one for one in SAMPLERS.parts().values() if one.__module__.startswith("tid_tune.")]
    assert held == set(ours)
