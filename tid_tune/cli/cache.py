"""`tid-tune cache ...`: fill, show, verify and remove the cache of a teacher's work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tid_tune.cli.options import Json, Overrides, local
from tid_tune.console import answer, answering, explain, progress, say, step
from tid_tune.distill.cache.settings import FOLDER
from tid_tune.errors import UsageError
from tid_tune.words import counted

if TYPE_CHECKING:
    from tid_tune.distill.cache.folders import CacheFolder
    from tid_tune.trial.cache_work import CacheWork

app = typer.Typer(help="Fill, show, verify and remove the cache of a teacher's work.")

Source = Annotated[
    Path,
    typer.Argument(
        metavar="SPACE.yaml|CONFIG.py",
        help="A search space with a section `cache`, or a config with model.teacher.cache.",
        callback=local,
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Folder = Annotated[Path, typer.Option("--dir", help="The folder of the caches.", callback=local)]


@app.command()
def build(source: Source, overrides: Overrides = None, device: Device = "auto") -> None:
    """Pass all views of the training images through the teacher, so that no trial has to."""
    work = _work(source, overrides or (), device)
    from tid_tune.trial.cache_work import fill, sampling_errors  # after what ends the command fast

    with progress("images") as watch:
        filled = fill(work, watch)
    entries, _, _ = filled.store.counts()
    size = filled.store.folder.size
    say(f"{filled.store.folder}: {counted(filled.new, 'new image view')}, {entries} in all")
    say(f"{size / 2**20:.1f} MiB, {size / max(entries, 1) / 1024:.1f} KiB an image view")
    if filled.sparse:
        for term, (bias, deviation) in sampling_errors(work).items():
            say(f"{term} term: bias {bias:+.2%}, standard deviation {deviation:.2%} by the sample")
    if filled.new and not filled.store.writes:
        say("not all are stored: the cache or the disk is full; raise cache.gib, or free space")
        raise typer.Exit(1)


@app.command()
def info(folder: Folder = Path(FOLDER), as_json: Json = False) -> None:
    """Show each cache in the folder: its teacher, its size, how often it helped."""
    from tid_tune.distill.cache.folders import CacheFolder
    from tid_tune.distill.cache.store import read_counts

    found = CacheFolder.all_in(folder)
    if as_json:
        answer({"folder": folder, "caches": [_cache_document(cache) for cache in found]})
        return
    if not found:
        say(f"there is no cache in {folder}; name another folder with --dir")
    for cache in found:
        for line in cache.lines():
            say(line)
        entries, hits, misses = read_counts(cache)
        each = f", {cache.size / entries / 1024:.1f} KiB each" if entries else ""
        say(f"  {counted(entries, 'image view')}{each}; hits {hits}, misses {misses}")


def _cache_document(cache: CacheFolder) -> dict[str, object]:
    from tid_tune.distill.cache.store import read_counts

    entries, hits, misses = read_counts(cache)
    known = {"path": cache.path, "size": cache.size, "last_used": cache.last_used}
    return {**known, "about": cache.about, "entries": entries, "hits": hits, "misses": misses}


@app.command()
def verify(
    source: Source,
    overrides: Overrides = None,
    images: Annotated[int, typer.Option(min=1, help="How many entries to compare.")] = 32,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Run the teacher again on some images of the cache. Exit code 1 if it gives something else."""
    with answering(as_json):
        work = _work(source, overrides or (), device)
        from tid_tune.trial.cache_work import verify as compare  # after what ends the command fast

        found = compare(work, images)
    if as_json:
        answer({**vars(found), "agree": found.images > 0 and found.agree})
        raise typer.Exit(int(not (found.images and found.agree)))
    if not found.images:
        say("the cache has no entry of this training set; fill it with `tid-tune cache build`")
        raise typer.Exit(1)
    explain(
        f"{counted(found.images, 'image view')} compared: maps differ by at most {found.maps:.2g} "
        f"of their largest value ({found.tolerance:g} allowed), IoU and probability by at most "
        f"{found.evidence:.2g}"
    )
    if not found.agree:
        say("the cache is not of this teacher: remove it with `tid-tune cache clear`")
        raise typer.Exit(1)


@app.command()
def clear(
    folder: Folder = Path(FOLDER),
    teacher: Annotated[
        str | None, typer.Option(help="Only the cache whose name begins so; see `info`.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; without it, list them.")] = False,
) -> None:
    """Remove caches that no process uses, after naming each."""
    from tid_tune.distill.cache.folders import CacheFolder

    chosen = [c for c in CacheFolder.all_in(folder) if c.path.name.startswith(teacher or "")]
    if not chosen:
        what = f"cache whose name begins with {teacher}" if teacher else "cache"
        say(f"there is no {what} in {folder}; name another folder with --dir")
    for cache in chosen:
        for line in cache.lines():
            say(line)
        if yes:
            say("  removed" if cache.remove() else "  in use by a running process; it stays")
    if chosen and not yes:
        say(f"nothing is removed; --yes removes {counted(len(chosen), 'cache')}")


def _work(source: Path, overrides: Sequence[str], device: str) -> CacheWork:
    """Return the training that a search space or a config describes.

    Raises:
        TidTuneError: it cannot be read, or has no cache. That is seen before mmdet is imported.
    """
    from tid_tune.distill.cache.settings import cache_edits, require_cache
    from tid_tune.openmmlab.configs import load_config

    if source.suffix == ".py":
        if overrides:
            raise UsageError(f"--set is for search spaces; edit {source} itself")
        config, spec = source, None
    else:
        from tid_tune.searchfile import load

        spec = load(source, overrides)
        config = spec.trial
    if spec is None or spec.cache is None:
        require_cache(load_config(config, imports=False), config)
    step("loading torch and mmdet")
    from tid_tune.trial.cache_work import CacheWork
    from tid_tune.trial.training import own_epochs

    if spec is None:
        return CacheWork(config, {}, 0, own_epochs(load_config(config)), device)
    edits = spec.fixed | cache_edits(spec.cache)
    return CacheWork(config, edits, spec.seed, spec.epochs, device)
