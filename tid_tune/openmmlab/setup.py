"""Make mmdet ready in this process: ops without compilation, registries filled, no noise."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator

from tid_tune.openmmlab import ext_standin


def prepare() -> None:
    """Install the ops stand-in, import and register all of mmdet, make `mmdet` the default scope.

    Call it before anything imports mmdet. Further calls only set the default scope again.
    """
    # albumentations, where it is installed, asks its index for a newer version when imported.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    with quiet():
        ext_standin.install()
        from mmdet.utils import register_all_modules

        register_all_modules(init_default_scope=False)
    _enter_scope()


def _enter_scope() -> None:
    from mmengine.registry import DefaultScope

    current = DefaultScope.get_current_instance()
    if current is None or current.scope_name != "mmdet":
        if DefaultScope.check_instance_created("mmdet"):
            # Only the newest instance is current; forget the older one so that it can be renewed.
            del DefaultScope._instance_dict["mmdet"]
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
