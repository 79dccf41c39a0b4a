"""The Gradio page: header, drawing pad, results, footer."""

from typing import Any

import gradio as gr
from fastapi import FastAPI

from serve.canvas.assets import asset
from serve.canvas.pad import create_pad
from serve.canvas.results import ON_DRAWING, create_results

FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONOSPACE = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def create_page(*, attribution: bool) -> Any:
    """Lay out the page, a ``gr.Blocks``.

    Args:
        attribution: whether ``/attribution`` has something to link to.
    """
    with gr.Blocks(title="Sketchray", analytics_enabled=False, fill_width=True) as page:
        gr.HTML(asset("header.html"), css_template=asset("header.css"), js_on_load=None)
        with gr.Row(elem_id="desk"):
            with gr.Column(scale=5, min_width=300):
                pad = create_pad()
            with gr.Column(scale=7, min_width=300):
                create_results()
        gr.HTML(footer(attribution=attribution), css_template=asset("header.css"), js_on_load=None, elem_id="foot")
        pad.change(None, pad, None, js=ON_DRAWING, queue=False, show_progress="hidden", api_visibility="private")
    return page


def footer(*, attribution: bool) -> str:
    """Return the line under the page; the results' script fills in what is searched and who is signed in."""
    links = ['<a href="/docs">API</a>']
    if attribution:
        links.insert(0, '<a href="/attribution">Where the pictures come from</a>')
    about = '<span class="about"></span><span class="who"></span>'
    return f'<footer>{about}<nav aria-label="About">{" · ".join(links)}</nav></footer>'


def mount_canvas(api: FastAPI, *, attribution: bool) -> FastAPI:
    """Mount the page at ``/``, behind every route that ``api`` already has."""
    gr.mount_gradio_app(
        api,
        create_page(attribution=attribution),
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
