"""The Gradio page: header, drawing pad, results, footer, and one event between pad and results."""

import html
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI

from serve.models import Ready

HERE = Path(__file__).parent
FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONOSPACE = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def asset(name: str) -> str:
    """Return the text of a file beside this module."""
    return (HERE / name).read_text(encoding="utf-8")


DOCS = asset("docs.html")


def create_page(gallery: Ready, *, attribution: bool) -> Any:
    """Lay out the page, a ``gr.Blocks``.

    Args:
        gallery: what is searched, for the footer.
        attribution: whether ``/attribution`` has something to link to.
    """
    with gr.Blocks(title="Sketchray", analytics_enabled=False, fill_width=True) as page:
        gr.HTML(asset("header.html"), css_template=asset("header.css"), js_on_load=None)
        with gr.Row(elem_id="desk"):
            with gr.Column(scale=5, min_width=300):
                pad = gr.HTML(
                    value="[]",
                    html_template=asset("pad.html"),
                    css_template=asset("pad.css"),
                    js_on_load=asset("pad.js"),
                    elem_id="pad",
                )
            with gr.Column(scale=7, min_width=300):
                # The template stays Gradio's plain ${value}: what Handlebars puts in is run as JavaScript afterwards.
                results = gr.HTML(css_template=asset("results.css"), js_on_load=None, elem_id="results")
        gr.HTML(footer(gallery, attribution=attribution), css_template=asset("header.css"), js_on_load=None)
        for event in (pad.change, page.load):
            event(
                None, pad, results, js=asset("search.js"), queue=False, show_progress="hidden", api_visibility="private"
            )
    return page


def footer(gallery: Ready, *, attribution: bool) -> str:
    """Return the line under the page: what is searched, and where it comes from."""
    links = ['<a href="/docs">API</a>']
    if attribution:
        links.insert(0, '<a href="/attribution">Where the pictures come from</a>')
    pictures = f"{gallery.pictures:,} pictures · gallery “{html.escape(gallery.gallery)}”"
    return f'<footer><span>{pictures}</span><nav aria-label="About">{" · ".join(links)}</nav></footer>'


def mount_canvas(api: FastAPI, gallery: Ready, *, attribution: bool) -> FastAPI:
    """Mount the page at ``/``, behind every route that ``api`` already has."""
    gr.mount_gradio_app(
        api,
        create_page(gallery, attribution=attribution),
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
