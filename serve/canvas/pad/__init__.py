"""The drawing pad: a Gradio component made of plain HTML, CSS and JavaScript."""

from typing import Any

import gradio as gr

from serve.canvas.assets import asset
from serve.examples import examples

# Parts of one script, which share its scope, in this order.
SCRIPTS = (
    "parts",
    "drawing",
    "geometry",
    "ink",
    "picture",
    "paint",
    "send",
    "gesture",
    "tools",
    "pointer",
    "upload",
    "examples",
    "keys",
    "keep",
)
EMPTY = '{"strokes":[],"picture":null}'


def create_pad() -> Any:
    """Lay out the pad, a ``gr.HTML`` inside the blocks that are open.

    Its value is JSON ``{"strokes": [[xs, ys], ...], "picture": null}``, and it changes as one draws. Where a picture
    was uploaded, ``picture`` is a PNG as a data URL that shows it together with the strokes: search with that.
    """
    return gr.HTML(
        value=EMPTY,
        html_template=asset("pad/pad.html"),
        css_template=asset("pad/pad.css"),
        js_on_load=asset(*(f"pad/{name}.js" for name in SCRIPTS)),
        examples=[[example.name, example.strokes] for example in examples()],
        apply_default_css=False,
        elem_id="pad",
    )
