"""The browser app: ``python app.py``. It composes the tabs and owns nothing else."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import gradio as gr
import typer
from starlette.middleware import Middleware

from browser import address, runs
from browser.blocks import Blocks
from browser.events import leave
from browser.guard import Guard
from browser.names import NAME_PICTURES
from browser.page import begin
from browser.style import CSS
from common.base.memory import keep_freed_memory
from common.base.quiet import hush_libraries
from llm_loc.app import tab as language
from vision_loc.app import tab as faces

TITLE = "funcloc: find the units, ablate them, see what breaks"
LARGEST_UPLOAD = "10mb"
ALONE = ("127.0.0.1", "localhost", "::1")  # addresses that only this machine can reach


def build(may_delete: bool = True) -> gr.Blocks:
    """The app, not yet launched.

    Parameters
    ----------
    may_delete : bool, default=True
        Whether visitors may delete runs.
    """
    # Uploads and copies of files are looked for every ten minutes and removed after an hour.
    demo = Blocks(title=TITLE, analytics_enabled=False, delete_cache=(600, 3600))
    with demo:
        gr.HTML(
            "<h1>funcloc</h1><p class='fl-note'>A functional localizer for neural "
            "networks: find the units, ablate them, see what breaks.</p>"
        )
        with gr.Tabs() as tabs:
            pages = [faces.build(), language.build()]
            opened = runs.build(demo, tabs, pages, may_delete)
            fronts = [page.remembered for page in pages if page.remembered]
            address.remember(demo, tabs, [*fronts, opened])
            begin(demo, pages)
        demo.load(None, None, None, js=NAME_PICTURES)
    demo.unload(leave)
    demo.queue(max_size=32)
    return demo


def theme() -> gr.themes.Base:
    """Fonts of the system, which need no network, and text that stands out from its ground."""
    base = gr.themes.Default(
        primary_hue=gr.themes.colors.blue,
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
    return base.set(
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_cancel_background_fill=gr.themes.colors.red.c700,
        button_cancel_background_fill_hover=gr.themes.colors.red.c800,
        body_text_color_subdued="*neutral_500",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
    )


def launch_options(alone: bool = True) -> dict[str, Any]:
    """How the app is served, whoever launches it.

    Parameters
    ----------
    alone : bool, default=True
        Whether only this machine can reach it, and so only by the names that it has for itself.
    """
    return {
        "app_kwargs": {"middleware": [Middleware(Guard, hosts=ALONE if alone else None)]},
        "css": CSS,
        "theme": theme(),
        "max_file_size": LARGEST_UPLOAD,
        "show_error": False,
        "run_history": False,
        "ssr_mode": False,
        "footer_links": ["api", "settings"],
    }


def reach_oneself() -> None:
    """Let no proxy stand between the app and itself: Gradio asks whether it answers."""
    for name in ("no_proxy", "NO_PROXY"):
        known = [each for each in os.environ.get(name, "").split(",") if each]
        os.environ[name] = ",".join(dict.fromkeys([*known, *ALONE]))


def main(
    host: Annotated[
        str, typer.Option("--host", envvar="GRADIO_SERVER_NAME", help="The address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            "--port", envvar="GRADIO_SERVER_PORT", min=1, max=65535,
            help="Left out, 7860 or the next free.",
        ),
    ] = None,
    share: Annotated[
        bool, typer.Option("--share", help="Also open a public link, through Gradio's servers.")
    ] = False,
) -> None:  # fmt: skip
    """Open the app in a browser at the address that is printed."""
    keep_freed_memory()
    alone = host in ALONE and not share
    reach_oneself()
    try:
        demo = build(may_delete=alone)
        demo.launch(server_name=host, server_port=port, share=share, **launch_options(alone))
    except OSError as error:
        reason = str(error).split(".")[0]
        sys.exit(f"app.py: cannot listen on {host} ({reason}); choose another --port or --host")


def start() -> None:
    """Entry point of ``funcloc-app``."""
    hush_libraries()
    typer.run(main)


if __name__ == "__main__":
    start()
