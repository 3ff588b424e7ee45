"""`tid-tune ui`: the runs of a search in MLflow's user interface."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tid_tune import console
from tid_tune.cli.runs import RunDir
from tid_tune.errors import UsageError

if TYPE_CHECKING:
    from tid_tune.results.run_folder import RunFolder
    from tid_tune.tracking.address import Address


def ui(
    run: RunDir = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port on this machine; default: a free one."),
    ] = None,
    uri: Annotated[
        str | None,
        typer.Option(help="Address of MLflow, if the search's own cannot be used from here."),
    ] = None,
) -> None:
    """Open a search in MLflow: print the address of its runs; start the interface over a database.

    The interface listens on this machine only, until Ctrl-C. Where the search is copied to a
    server, its address is printed.
    """
    from tid_tune.cli.runs import opened
    from tid_tune.tracking.interface import find_place, is_server, require_port, serving

    folder = None if run is None else opened(run)
    address = _address(folder, uri)
    place = None if folder is None else find_place(address, folder.state.run_id)
    if folder is not None and place is None:
        console.say(f"{folder.spec.name} is not in MLflow at {address.shown} yet")

    def show(server: str) -> None:
        if place is None:
            console.say(f"  MLflow  {server}/#/experiments")
        else:
            if place.has_view:
                console.say(f"  trials  {place.trials_url(server)}")
            console.say(f"  search  {place.search_url(server)}")
            if not place.has_view:
                console.explain(
                    "note: an earlier version copied this search, without the views of its trials; "
                    "`tid-tune run` of the search copies the rest"
                )

    if is_server(address.uri):
        show(address.shown.rstrip("/"))
        return
    if port is not None:
        require_port(port)
    console.say(f"MLflow over {address.shown}: starting takes some seconds")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), serving(address.uri, port) as server:
        show(server)
        console.say("Ctrl-C ends it")
        while True:
            signal.pause()


def _address(folder: RunFolder | None, uri: str | None) -> Address:
    """Return the address of MLflow; a default database is looked for in the project's folders.

    Raises:
        UsageError: it has no password, or there is no database.
    """
    from tid_tune.passwords import is_masked
    from tid_tune.tracking.address import Address, address_of, default_address

    if folder is None:
        address = default_address(Path.cwd()) if uri is None else Address(uri, "")
        return _existing(address, [Path.cwd()])
    spec = folder.spec
    if not spec.tracking.enabled:
        raise UsageError(
            f"{spec.name} is not copied to MLflow: tracking.enabled is false in its search space. "
            "Run the same command again with --set tracking.enabled=true: it copies what has been "
            "trained"
        )
    if uri is not None:
        spec = spec.model_copy(update={"tracking": spec.tracking.model_copy(update={"uri": uri})})
    elif spec.tracking.uri is not None and is_masked(spec.tracking.uri):
        raise UsageError(
            f"the search is copied to {spec.tracking.uri}; the ledger records no password: write "
            "the whole address with --uri"
        )
    return _existing(address_of(spec, Path.cwd()), [Path.cwd(), *list(folder.path.parents)[:2]])


def _existing(address: Address, roots: list[Path]) -> Address:
    from dataclasses import replace

    from tid_tune.tracking.address import DEFAULT_DATABASE, sqlite_uri

    if not address.is_default:
        return address
    for root in roots:
        if (root / DEFAULT_DATABASE).is_file():
            return replace(address, uri=sqlite_uri((root / DEFAULT_DATABASE).absolute()))
    where = ", ".join(dict.fromkeys(str(root) for root in roots))
    raise UsageError(
        f"there is no {DEFAULT_DATABASE} in {where}; go to the folder where the search was "
        "started, or name MLflow's address with --uri"
    )
