"""mmdet is imported without packages that it hardly uses; where they are used, they are there."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from tid_tune.openmmlab.later import RARELY_USED


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_mmdet_is_imported_without_them_and_its_parts_have_them() -> None:
    """The PAA head is registered; the smoothing of tracks and the lane lines compute."""
    found = run(
        """
        import sys, numpy as np
        from tid_tune.openmmlab.setup import prepare
        prepare()
        left_out = "imgaug sklearn pandas matplotlib scipy numba torch._dynamo.utils".split()
        print([name for name in left_out if name in sys.modules])

        from mmdet.models.task_modules.tracking.interpolation import InterpolateTracklets
        track = np.array([[f, 1, f, f, f + 9.0, f + 9.0, 0.9] for f in range(12)])
        print(InterpolateTracklets().gaussian_smoothed_interpolation(track).shape)

        from mmdet.datasets.transforms import generate_line
        line = generate_line.LineString([(0, 0), (3, 4)])
        print(line.length, isinstance(line, generate_line.LineString))
        print(generate_line.iaa.Sequential([generate_line.iaa.Fliplr(1.0)]).to_deterministic().name)

        from mmdet.models.dense_heads.clr_head import lane
        from mmdet.visualization import local_visualizer
        print(local_visualizer.mcolors.CSS4_COLORS["red"])
        curve = lane.InterpolatedUnivariateSpline([0, 1, 2, 3], [0, 1, 4, 9], k=2)
        print(round(float(curve(1.5)), 2))

        import imgaug.augmenters, sklearn.mixture, sklearn.utils
        from mmdet.models.dense_heads import paa_head
        print(paa_head.skm.GaussianMixture(2).n_components, sklearn.__version__ != "")
        """
    ).splitlines()
    assert found[0] == "[]"
    assert found[1].startswith("(12, ")
    assert found[2] == "5.0 True"
    assert found[3].startswith("UnnamedSequential")
    assert found[4:] == ["#FF0000", "2.25", "2 True"]


def test_a_model_is_trained_without_torchs_compiler_and_compiled_when_asked_for() -> None:
    found = run(
        """
        import sys, torch
        from tid_tune.openmmlab.setup import prepare
        prepare()

        def train(model, optimizer):
            optimizer.zero_grad()
            model(torch.ones(1, 2)).sum().backward()
            optimizer.step()
            optimizer.load_state_dict(optimizer.state_dict())

        layer = torch.nn.Linear(2, 2)
        for kind in (torch.optim.SGD, torch.optim.AdamW):
            train(layer, kind(layer.parameters(), lr=0.1))
        print("torch._dynamo.utils" in sys.modules)

        seen = []
        def backend(graph, inputs):
            seen.append(graph)
            return graph.forward

        train(torch.compile(layer, backend=backend), torch.optim.SGD(layer.parameters(), lr=0.1))
        print(len(seen) > 0, "torch._dynamo.utils" in sys.modules, torch._dynamo.is_compiling())

        from torchvision.ops import roi_align
        print(roi_align(torch.ones(1, 1, 4, 4), torch.tensor([[0.0, 0, 0, 4, 4]]), 2).shape)
        """
    ).splitlines()
    assert found == ["False", "True True False", "torch.Size([1, 1, 2, 2])"]


def test_other_modules_of_a_package_make_it_the_real_one() -> None:
    """As where the registration of a config's module imports scikit-learn on its own."""
    assert run(
        """
        import sys
        from tid_tune.openmmlab.later import imported_later

        with imported_later("json", "json.decoder", "xml", "xml.dom"):
            import json.scanner as scanner
            from json import JSONDecoder
            import xml.dom as dom
            from xml.dom import Node

        class Derived(Node):
            pass

        import json, xml.dom
        print(scanner is json.scanner, JSONDecoder is json.JSONDecoder)
        print(isinstance(Derived(), Node), issubclass(Derived, xml.dom.Node), dom.Node.TEXT_NODE)
        print(type(json).__name__, type(sys.modules["xml.dom"]).__name__)
        """
    ).splitlines() == ["True True", "True True 3", "module module"]


def test_what_is_imported_or_not_installed_has_no_stand_in() -> None:
    assert run(
        """
        import json
        from tid_tune.openmmlab.later import imported_later

        with imported_later("json", "no_such_package", "no_such_package.part"):
            import json as again
            print(again is json)
            try:
                import no_such_package.part
            except ImportError as error:
                print(error)
        """
    ).splitlines() == ["True", "No module named 'no_such_package'"]


@pytest.mark.parametrize("name", RARELY_USED)
def test_the_package_around_each_name_is_listed(name: str) -> None:
    always = ("", "torch")
    assert name.rpartition(".")[0] in (*always, *RARELY_USED)
