"""The results beside the pad: options, what was found, a dialog for one of them; all from the public API."""

from typing import Any

import gradio as gr

from serve.canvas.assets import asset

# Parts of one script, which share its scope, in this order. They travel inside the page, not as files of their own, so
# that while replicas are replaced a browser never mixes the parts of two releases.
SCRIPTS = (
    *("results/dom.js", "results/settings.js", "results/client.js", "results/query.js", "results/session.js"),
    *("results/tiles.js", "results/options.js", "heat.js", "results/dialog.js", "results/search.js"),
    *("results/answers.js", "results/events.js"),
)
STYLES = ("results/results.css", "results/options.css", "results/dialog.css", "heat.css")
# The pad's value, passed on within the browser.
ON_DRAWING = "drawing => { document.dispatchEvent(new CustomEvent('sketchray:drawing', { detail: drawing })); }"


def create_results() -> Any:
    """Lay out the results, a ``gr.HTML`` inside the blocks that are open. `ON_DRAWING` tells it what is on the pad."""
    # The template has no place to fill in: what Handlebars puts into one is run as JavaScript afterwards.
    return gr.HTML(
        html_template=asset("results/results.html"),
        css_template=asset(*STYLES),
        js_on_load=asset(*SCRIPTS),
        apply_default_css=False,
        elem_id="results",
    )
