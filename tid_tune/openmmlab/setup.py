"""Make mmdet ready in this process: ops without compilation, registries filled, no noise."""

from __future__ import annotations

import contextlib
import functools
import gc
import io
import logging
import os
import warnings
from collections.abc import Iterator


def prepare() -> None:
    """Install the ops stand-in, import and register all of mmdet, make `mmdet` the default scope.

    Call it before anything imports mmdet. Further calls only set the default scope again.
    """
    _import_all()
    _enter_scope()


@contextlib.contextmanager
def mmdet_ready() -> Iterator[None]:
    """Prepare mmdet, then run the block: for the imports of mmdet at the top of a module."""
    prepare()
    yield


@functools.cache
def _import_all() -> None:
    from tid_tune.openmmlab import later

    # albumentations, where it is installed, asks its index for a newer version when imported.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    with quiet():
        with later.imported_later(*later.RARELY_USED):
            # Here, not above: configs are read without torch, and torchvision is imported in there.
            from tid_tune.openmmlab import ext_standin, loading, plain_names

            ext_standin.install()
            loading.install()
            plain_names.install()
            from mmdet.utils import register_all_modules

            register_all_modules(init_default_scope=False)
        later.leave_out_compiler()
    # What was imported stays; every full collection would search it for garbage (0.3 s each time,
    # and mmengine asks for one per dataset).
    gc.freeze()


def _enter_scope() -> None:
    from mmengine.registry import DefaultScope

    current = DefaultScope.get_current_instance()
    if current is None or current.scope_name != "mmdet":
        # Only the newest instance is current: forget an older one so that it can be made anew.
        DefaultScope._instance_dict.pop("mmdet", None)
        DefaultScope.get_instance("mmdet", scope_name="mmdet")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold back what libraries print, warn or log below ERROR inside the block."""
    was_disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(was_disabled)
