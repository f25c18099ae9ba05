"""Build minimal HTML pages for people who follow a link in a mail."""

from html import escape
from typing import Final

import orjson
from aiohttp import hdrs, web

from gateway.http.languages import Language
from gateway.http.problems import PROBLEM_TYPE, Problem
from gateway.http.responses import JSON_TYPE, Response

HTML: Final = "text/html"
PAGES_PATH: Final = "/app/"
"""The web pages."""
STYLE_PATH: Final = f"{PAGES_PATH}pages.css"
"""The style sheet of the web pages, under an address that never changes."""
_TITLE: Final = "Vouch"
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    hdrs.VARY: hdrs.ACCEPT_LANGUAGE,
}


def page_response(
    text: str, content: str = "", status: int = 200, language: Language = "en"
) -> Response:
    """Return a page with a sentence; `content`, which follows it, is HTML."""
    page = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        f"<title>{_TITLE}</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="robots" content="noindex">'
        f'<link rel="stylesheet" href="{STYLE_PATH}"></head>'
        f'<body><main class="card stack narrow"><h1>{_TITLE}</h1><p>{escape(text)}</p>{content}'
        "</main></body></html>"
    )
    return Response(status, page.encode(), _HEADERS, content_type=HTML)


def problem_page(problem: Problem, request_id: str) -> Response:
    """Return a problem as a page: what is wrong and what to do, and what to quote."""
    content = f"<p><small>{escape(request_id)}</small></p>"
    page = page_response(problem.detail, content, problem.status)
    return page.with_headers(problem.headers)


def as_page(response: Response, request_id: str) -> Response:
    """Return a JSON response with a `detail` as a page; any other response as it is."""
    if response.content_type not in (JSON_TYPE, PROBLEM_TYPE):
        return response
    problem = Problem(response.status, "", orjson.loads(response.body)["detail"], response.headers)
    return problem_page(problem, request_id)


def accepts_html(request: web.Request) -> bool:
    """Return whether a request names `text/html` in `Accept`, as browsers do when they navigate."""
    for value in request.headers.getall(hdrs.ACCEPT, ()):
        for entry in value.lower().split(","):
            kind, *parameters = (part.strip() for part in entry.split(";"))
            refused = any(part.replace(" ", "") in ("q=0", "q=0.0") for part in parameters)
            if kind == HTML and not refused:
                return True
    return False
