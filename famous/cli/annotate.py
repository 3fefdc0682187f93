"""Labelling in the browser: annotate."""

import os
import sys
import threading
import webbrowser
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from famous.cli import options
from famous.cli.console import Answer, err, note

if TYPE_CHECKING:
    from famous.pipeline.annotate import Address
    from famous.pipeline.view import View


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Labelled slices")(annotate)


def annotate(
    stack: options.StackArgument,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, help="Port; by default that of the last time or a free one."),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
    voxel_size: options.VoxelSizeOption = None,
    invert: options.InvertOption = None,
    config: options.ConfigOption = None,
    folder: options.FolderOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Draw boxes round the organelles, in the browser.

    Example: famous annotate cell.tif
    """
    from famous.pipeline.annotate import Door, run_annotate

    project = options.Common(voxel_size, invert, config, folder).open(stack)

    def on_start(address: "Address") -> None:
        if address.warning:
            note([address.warning])
        last = "everything is saved at once; Ctrl-C ends the server"
        urls = seen_from_elsewhere(address)
        lines = directions(f"label {project.stack.name}", address, urls, last)
        facts = {"url": address.url, "urls": urls, "host": address.host, "port": address.port}
        data = {"folder": project.folder, **facts}
        Answer(data, tuple(lines)).say(as_json)
        sys.stdout.flush()
        if not no_browser and has_browser():
            threading.Thread(target=webbrowser.open, args=(address.url,), daemon=True).start()

    run_annotate(project, Door(host, port), on_start)
    err.print("the server has ended; everything is saved")


def directions(what: str, served: "Address | View", urls: list[str], last: str) -> list[str]:
    """Say where a server is to be seen, line by line; over SSH, what makes its loopback address reachable."""
    from famous.annotate.security import is_loopback

    first, *others = urls
    lines = [f"{what} at  {first}", *(f"or at  {url}" for url in others)]
    if "SSH_CONNECTION" in os.environ and is_loopback(served.host):
        lines.append(f"from your own machine first: ssh -N -L {served.port}:127.0.0.1:{served.port} <this machine>")
    return [*lines, last]


def seen_from_elsewhere(address: "Address | View") -> list[str]:
    """List what to open: where the server listens on every address, those at which other machines reach it."""
    from famous.annotate.security import addresses, is_wildcard

    if not is_wildcard(address.host):
        return [address.url]
    return [replace(address, host=host).url for host in addresses(address.host)]


def has_browser() -> bool:
    """Tell whether there is a screen to open a browser on, which a login over SSH has not."""
    if "SSH_CONNECTION" in os.environ:
        return False
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
