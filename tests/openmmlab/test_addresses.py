"""Addresses of weights lead to the files of torch and mmengine; nothing is downloaded."""

from __future__ import annotations

import functools
import threading
import urllib.request
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from tid_tune.errors import ConfigError
from tid_tune.openmmlab.addresses import is_reachable, locate
from tid_tune.openmmlab.checkpoints import load_weights


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch/hub/checkpoints"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://example.org/models/net-0123abcd.pth?raw=1", "net-0123abcd.pth"),
        ("torchvision://resnet18", "resnet18-f37072fd.pth"),
        ("torchvision://resnet50", "resnet50-0676ba61.pth"),
        ("open-mmlab://detectron/resnet50_caffe", "resnet50_caffe-788b5fa3.pth"),
        ("open-mmlab://resnet50_caffe", "resnet50_caffe-788b5fa3.pth"),  # an earlier name
        ("mmcls://mobilenet_v2", "mobilenet_v2_batch256_imagenet_20200708-3b2dc3af.pth"),
    ],
)
def test_what_is_downloaded_is_kept_in_the_cache_of_torch(
    address: str, name: str, cache: Path
) -> None:
    location = locate(address)
    assert location.path == cache / name
    assert location.url is not None
    assert name in location.url
    assert not location.is_here
    assert name in location.how_to_get
    assert str(location.path) in location.how_to_get


def test_a_path_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.pth").touch()
    assert locate("~/a.pth").fetch() == tmp_path / "a.pth"
    with pytest.raises(ConfigError, match=r"no checkpoint file .*gone\.pth"):
        locate(tmp_path / "gone.pth").check_here()


def test_the_users_own_entries_may_be_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMENGINE_HOME", str(tmp_path))
    (tmp_path / "open_mmlab.json").write_text('{"mine": "nets/mine.pth"}')
    assert locate("open-mmlab://mine").path == tmp_path / "nets/mine.pth"
    assert locate("open-mmlab://mine").url is None


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("torchvision://resnet5", r"torchvision://resnet5; did you mean torchvision://resnet50"),
        ("s3://bucket/a.pth", r"s3://bucket/a\.pth.*expected a path.*torchvision://"),
    ],
)
def test_what_leads_nowhere_is_named(address: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        locate(address)


def test_a_failed_download_names_the_file_and_its_place(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(ConfigError) as caught:
        locate("torchvision://resnet18").fetch()
    for part in ("torchvision://resnet18", "no route to host", f"{cache}/resnet18-f37072fd.pth"):
        assert part in str(caught.value)


def test_a_file_that_is_in_the_cache_is_not_downloaded(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir(parents=True)
    (cache / "resnet18-f37072fd.pth").touch()
    monkeypatch.delattr(torch.hub, "download_url_to_file")
    assert locate("torchvision://resnet18").fetch() == cache / "resnet18-f37072fd.pth"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server of the folder `web`."""
    (tmp_path / "web").mkdir()
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "web"))
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_a_file_of_a_server_is_found_downloaded_and_kept(
    server: str, tmp_path: Path, cache: Path
) -> None:
    torch.save({"w": torch.ones(2)}, tmp_path / "web/a.pth")
    assert is_reachable(f"{server}/a.pth")
    assert not is_reachable(f"{server}/b.pth")
    assert load_weights(f"{server}/a.pth")["w"].tolist() == [1, 1]
    (tmp_path / "web/a.pth").unlink()
    assert load_weights(f"{server}/a.pth")["w"].tolist() == [1, 1]
    assert (cache / "a.pth").is_file()
    with pytest.raises(ConfigError, match=r"b\.pth are not on this machine"):
        load_weights(f"{server}/b.pth")


def test_a_server_is_asked_and_may_be_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("refused")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    assert not is_reachable("https://example.org/a.pth")
