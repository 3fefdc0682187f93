"""Looking at a run in the browser: view."""

import sys
import threading
import webbrowser
from typing import TYPE_CHECKING, Annotated

import typer

from famous.cli import options
from famous.cli.annotate import directions, has_browser, seen_from_elsewhere
from famous.cli.console import Answer, err, note

if TYPE_CHECKING:
    from famous.pipeline.view import View


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Results")(view)


def view(
    stack: options.StackArgument,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option("--port", min=1, max=65535, help="Port; by default a free one.")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
    voxel_size: options.VoxelSizeOption = None,
    invert: options.InvertOption = None,
    folder: options.FolderOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Show the slices, labels and meshes in neuroglancer.

    Example: famous view cell.tif
    """
    from famous.pipeline.annotate import Door
    from famous.pipeline.view import run_view

    project = options.Common(voxel_size, invert, folder=folder).open(stack)

    def on_start(shown: "View") -> None:
        note([*shown.notes, *([shown.warning] if shown.warning else [])])
        urls = seen_from_elsewhere(shown)
        lines = directions(f"see {project.stack.name}", shown, urls, "Ctrl-C ends the server")
        facts = {"url": shown.url, "urls": urls, "host": shown.host, "port": shown.port}
        data = {"folder": project.folder, **facts}
        Answer(data, tuple(lines)).say(as_json)
        sys.stdout.flush()
        if not no_browser and has_browser():
            threading.Thread(target=webbrowser.open, args=(shown.url,), daemon=True).start()

    run_view(project, Door(host, port), on_start)
    err.print("the server has ended")
