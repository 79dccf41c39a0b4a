"""The Gradio page: header, drawing pad, results, footer; one event, unqueued, so that any replica may answer it."""

import html
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI

from serve.canvas.answer import WELCOME, answer_drawing
from serve.models import Ready
from serve.search import Searcher

HERE = Path(__file__).parent
DOCS = (HERE / "docs.html").read_text(encoding="utf-8")
FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONOSPACE = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def asset(name: str) -> str:
    """Return the text of a file beside this module."""
    return (HERE / name).read_text(encoding="utf-8")


def create_page(searcher: Searcher, pool: Executor, *, attribution: bool) -> Any:
    """Lay out the page.

    Args:
        searcher: answers the drawings.
        pool: where strokes are parsed.
        attribution: whether ``/attribution`` has something to link to.
    """

    async def search(drawing: Any) -> str:
        return await answer_drawing(searcher, pool, drawing)

    with gr.Blocks(title="Sketchray", analytics_enabled=False, fill_width=True) as page:
        gr.HTML(asset("header.html"), css_template=asset("header.css"), js_on_load=None, elem_id="masthead")
        with gr.Row(elem_id="desk"):
            with gr.Column(scale=5, min_width=300):
                pad = gr.HTML(
                    value="",
                    html_template=asset("pad.html"),
                    css_template=asset("pad.css"),
                    js_on_load=asset("pad.js"),
                    elem_id="pad",
                )
            with gr.Column(scale=7, min_width=300):
                results = gr.HTML(
                    WELCOME,
                    css_template=asset("results.css"),
                    js_on_load=None,
                    elem_id="results",
                    elem_classes="results",
                )
        gr.HTML(footer(searcher.gallery, attribution=attribution), css_template=asset("header.css"), js_on_load=None)
        # always_last: while one answer is on its way, of all newer drawings only the newest follows.
        pad.change(
            search, pad, results, queue=False, show_progress="hidden", trigger_mode="always_last", api_name="search"
        )
    return page


def footer(gallery: Ready, *, attribution: bool) -> str:
    """Return the line under the page: what is searched, and where it comes from."""
    links = ['<a href="/docs">API</a>']
    if attribution:
        links.insert(0, '<a href="/attribution">Where the pictures come from</a>')
    pictures = f"{gallery.pictures:,} pictures · gallery “{html.escape(gallery.gallery)}”"
    return f'<footer><span>{pictures}</span><nav aria-label="About">{" · ".join(links)}</nav></footer>'


def mount_canvas(api: FastAPI, searcher: Searcher, pool: Executor, *, attribution: bool) -> FastAPI:
    """Mount the page at ``/``, behind every route that ``api`` already has."""
    page = create_page(searcher, pool, attribution=attribution)
    gr.mount_gradio_app(
        api,
        page,
        path="/",
        theme=gr.themes.Base(font=FONTS, font_mono=MONOSPACE),  # fonts of the visitor's own machine
        css=asset("page.css"),
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
        max_file_size=1,
    )
    return api
