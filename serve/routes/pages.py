"""``/docs`` and ``/attribution``: pages for people, without a script, and with nothing from elsewhere."""

import html
import re
from pathlib import Path
from string import Template

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from markdown_it import MarkdownIt

from serve import limits
from serve.errors import TITLES, ProblemError
from serve.guard import MAX_BODY_BYTES
from serve.openapi import SAID, problems

PAGES = Path(__file__).parents[1] / "pages"
HOST = re.compile(r"[A-Za-z0-9._-]{1,255}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")


def add_pages(app: FastAPI, *, attribution: str | None) -> None:
    """Add the routes.

    Args:
        app: gets them.
        attribution: Markdown about the pictures' origin and licences; None where there is none.
    """
    docs = Template(_page("docs.html"))
    page = None if attribution is None else attribution_page(attribution)

    @app.get("/docs", include_in_schema=False)
    async def docs_page(request: Request) -> HTMLResponse:
        return HTMLResponse(docs.substitute(_facts(), base=html.escape(visited(request))))

    @app.get(
        "/attribution",
        tags=["pages"],
        response_class=HTMLResponse,
        responses={200: {"description": "a page"}, **problems(404)},
    )
    async def attribution_route() -> HTMLResponse:
        """Tell where the pictures come from and under which licences."""
        if page is None:
            raise ProblemError(404, "This gallery came without an attribution file.")
        return HTMLResponse(page)


def visited(request: Request) -> str:
    """Return the scheme, host and port by which the visitor came, as examples have them.

    A proxy in front may say what these were before it. A caller who lies about it sees a wrong example.
    """
    scheme = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip()
    host = request.headers.get("x-forwarded-host", "").partition(",")[0].strip() or request.headers.get("host", "")
    scheme = scheme if scheme in ("http", "https") else request.url.scheme
    return f"{scheme}://{host if HOST.fullmatch(host) else 'localhost'}"


def attribution_page(markdown: str) -> str:
    """Return Markdown as a page. HTML in it is shown as text, and so are pictures, which would be fetched."""
    reader = MarkdownIt("commonmark", {"html": False}).disable("image")
    return Template(_page("attribution.html")).substitute(body=reader.render(markdown))


def _page(name: str) -> str:
    text = (PAGES / name).read_text(encoding="utf-8")
    return text.replace("/*style*/", (PAGES / "page.css").read_text(encoding="utf-8").strip())


def _facts() -> dict[str, str]:
    rows = [
        f'<tr id="problem-{status}"><td>{status}</td><td>{title}</td><td>{SAID.get(status, "")}</td></tr>'
        for status, title in TITLES.items()
    ]
    numbers = {name.lower(): f"{value:,}" for name, value in vars(limits).items() if isinstance(value, int)}
    return {
        **numbers,
        "problems": "\n".join(rows),
        "max_body": f"{MAX_BODY_BYTES // 2**20} MiB",
        "max_json": f"{limits.MAX_JSON_BYTES // 2**20} MiB",
    }
