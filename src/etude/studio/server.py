"""``etude studio``: a server of one page on this machine, which harmonises, fills in and arranges what a person gives.

It listens on 127.0.0.1 unless another address is asked for, and answers nobody who has not the token that it prints. It
keeps nothing of what is given, and logs no request. What a browser sends is checked: its host, its origin, its size,
every field.
"""

import asyncio
import json
import secrets
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fastapi import FastAPI, HTTPException, Request, Response, WebSocket

from etude.artifacts.context import Session
from etude.config.check import check
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.serving import HEADERS, Guard, address_of, bind, listens_everywhere, require_names, serve_at
from etude.studio.admission import Admission, make_token
from etude.studio.arrange import Level, flat, mixed
from etude.studio.description import STEPS, describe
from etude.studio.harmonise import Drawing
from etude.studio.models import Models
from etude.studio.notation import picture
from etude.studio.pages import PAGE, Pages
from etude.studio.pieces import ENDINGS, LETTERS, NOTES, QUARTERS, read_given, score_of
from etude.studio.recipes import MINUTES, TASK, Recipes
from etude.studio.sound import TYPES, file_of, sounds
from etude.studio.work import Busy, Gone, Worker
from etude.tasks.given_piece import assign_voices

HOST, PORT = "127.0.0.1", 8030
MOST_BYTES, MOST_OF_FILE = 64 * 1024, 5_000_000  # of a request; of a score file
READ = "/api/read"
FOLDER = Path(__file__).parent / "page"
INDEX = "index.html"
FILES = (  # of the page, besides INDEX
    "arrange.js",
    "audio.js",
    "connection.js",
    "dom.js",
    "drawing.js",
    "files.js",
    "fill.js",
    "harmonise.js",
    "history.js",
    "icon.svg",
    "keys.js",
    "liveroll.js",
    "main.js",
    "piece.js",
    "play.js",
    "recipe.js",
    "result.js",
    "roll.js",
    "style.css",
    "takeaway.js",
)
MEDIA = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PERMISSIONS = "camera=(), microphone=(), geolocation=(), midi=(self)"
TOP_LINE = "with top_line=true", "by ticking Take the top line"  # what other commands say -> what the page has
GONE = 499  # nobody reads it


def application(models: Models, admission: Admission, names: set[str], worker: Worker | None = None) -> FastAPI:
    """The application.

    Args:
        models: the models and the settings.
        admission: who may ask.
        names: host names under which it may be asked, besides addresses.
        worker: does the work.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    headers = {**HEADERS, "Content-Security-Policy": POLICY, "Permissions-Policy": PERMISSIONS}
    app.add_middleware(Guard, names=names, headers=headers, most_bytes=most_bytes, admit=admission)
    worker, pages, recipes = worker or Worker(), Pages(secrets.token_hex(8)), Recipes(models)
    app.state.worker, app.state.pages, app.state.playing = worker, pages, recipes.playing

    @app.exception_handler(Exception)
    async def say_sorry(request: Request, error: Exception) -> Response:
        return Response("The studio has a fault. Your work is kept in the page; try again.", 500, headers)

    @app.api_route("/", methods=["GET", "HEAD"])
    async def send_page() -> Response:
        return Response(
            (FOLDER / INDEX).read_bytes(),
            media_type=MEDIA[".html"],
            headers={"Set-Cookie": admission.set_cookie()},
        )

    @app.get("/page/{name}")
    async def send_file(name: str) -> Response:
        if name not in FILES:
            raise HTTPException(404, "there is no such file")
        return Response((FOLDER / name).read_bytes(), media_type=MEDIA[Path(name).suffix])

    @app.get("/api/alive")
    async def say_alive() -> dict[str, str]:
        return {"start": pages.start}

    @app.get("/api/state")
    async def send_state(request: Request) -> dict[str, Any]:
        return {**await do(request, lambda: _state(models, recipes)), "start": pages.start}

    @app.post(READ)
    async def read(request: Request) -> dict[str, Any]:
        name, data = unquote(request.headers.get("x-file-name", "")), await request.body()
        if not data:
            raise HTTPException(422, "The file is empty. Give a file with notes.")
        return await do(request, lambda: read_given(name, data, models.settings.ingest))

    @app.post("/api/describe")
    async def describe_given(request: Request) -> dict[str, Any]:
        asked = await _json(request, {"piece", "model"})
        return await do(request, lambda: _describe(models, asked))

    @app.post("/api/make")
    async def make(request: Request) -> dict[str, Any]:
        value = await _json(request)
        return await do(request, lambda: recipes.make(value))

    @app.post("/api/score")
    async def engrave(request: Request) -> dict[str, Any]:
        asked = await _json(request, {"piece", "recipe", "title", "width", "model"})

        def work() -> dict[str, Any]:
            width = check(asked.get("width"), int, "width")
            if is_session(asked):
                return picture(recipes.session_score(asked["recipe"]), _title(asked), width, None)
            if "recipe" in asked:
                band = recipes.bands.arrange(recipes.read_arrangement(asked["recipe"]))
                return picture(band.made.written, _title(asked), width, None, feel=band.style.feel)
            score, name = score_of(asked.get("piece")), asked.get("model")
            if name is None:
                return picture(score, _title(asked), width, None)
            representation = models.harmonizer(check(name, str, "model")).representation
            return picture(score, _title(asked), width, representation.voices, representation.steps)

        return await do(request, work)

    @app.post("/api/sound")
    async def sound(request: Request) -> Response:
        asked = await _json(request, {"piece", "recipe"})

        def work() -> bytes:
            if is_session(asked):
                return sounds(recipes.session_score(asked["recipe"]), models.settings.mix, stems=False)
            if "recipe" in asked:
                band = recipes.bands.arrange(recipes.read_arrangement(asked["recipe"]))
                return sounds(band.made.performed, flat(band.mix, band.made.performed), stems=True)
            return sounds(score_of(asked.get("piece")), models.settings.mix, stems=False)

        return Response(await do(request, work), media_type="application/octet-stream")

    @app.post("/api/file")
    async def file(request: Request) -> Response:
        asked = await _json(request, {"piece", "recipe", "kind", "title", "levels"})

        def work() -> tuple[bytes, str]:
            kind, title = check(asked.get("kind"), str, "kind"), _title(asked)
            if is_session(asked):
                score = recipes.session_score(asked["recipe"], None if kind == "midi" else MINUTES)
                made = file_of(kind, score, title, models.settings.mix)
            elif "recipe" in asked:
                band = recipes.bands.arrange(recipes.read_arrangement(asked["recipe"]))
                mix = mixed(band.mix, check(asked.get("levels", {}), dict[str, Level], "levels"))
                made = file_of(kind, band.made.performed, title, mix, band.made.written, band.style.feel)
            else:
                made = file_of(kind, score_of(asked.get("piece")), title, models.settings.mix)
            return made, TYPES[kind][0]

        data, kind = await do(request, work)
        return Response(data, media_type=kind)

    @app.websocket("/ws")
    async def keep(socket: WebSocket) -> None:
        await pages.serve(socket)

    @app.websocket("/ws/play")
    async def play(socket: WebSocket) -> None:
        await recipes.playing.serve(socket)

    async def do(request: Request, work: Callable[[], Any]) -> Any:
        return await _do(worker, pages, request, work)

    return app


async def _do(worker: Worker, pages: Pages, request: Request, work: Callable[[], Any]) -> Any:
    """Do the work of a request in its turn; what cannot be is a sentence."""
    page, job = (request.headers.get(f"x-{name}", "") for name in ("page", "job"))
    known = bool(PAGE.fullmatch(page) and PAGE.fullmatch(job))
    sending: set[Awaitable[None]] = set()

    def report(what: str, share: float) -> None:
        if known:
            message = {"type": "work", "job": job, "what": what, "share": round(share, 3)}
            task = asyncio.ensure_future(pages.send(page, message))
            sending.add(task)
            task.add_done_callback(sending.discard)

    try:
        return await worker.do(work, request.is_disconnected, report)
    except EtudeError as error:
        raise HTTPException(422, str(error).replace(*TOP_LINE)[:1000]) from None
    except Busy:
        reason = f"The studio is busy: {worker.most_waiting} already wait. Try again in a moment."
        raise HTTPException(503, reason, {"Retry-After": "5"}) from None
    except (Gone, asyncio.CancelledError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not worker.closing.is_set():
            raise
        raise HTTPException(GONE, "nobody waits for this any more") from None


def most_bytes(path: str) -> int:
    """Bytes that a request to a path may have."""
    return MOST_OF_FILE if path == READ else MOST_BYTES


def _state(models: Models, recipes: Recipes) -> dict[str, Any]:
    """What the page needs to know at its start: models, styles, defaults and limits."""
    settings = models.settings
    continuing = {name: models.load(name).config.temperature or 1.0 for name in models.continuers()}
    return {
        "models": models.about(),
        "styles": recipes.bands.about(),
        "play": recipes.playing.about(),
        "settings": vars(Drawing.of(settings.harmonize)),
        "continue": {"temperatures": continuing, "top_p": settings.generate.top_p},
        "seed": settings.seed,
        "limits": {"notes": NOTES, "quarters": QUARTERS, "letters": LETTERS, "file": MOST_OF_FILE, "json": MOST_BYTES},
        "endings": list(ENDINGS),
    }


def _describe(models: Models, asked: Mapping[str, Any]) -> dict[str, Any]:
    """A given piece for the page; with a model its tracks are those of the model's voices, and are judged."""
    score, name = score_of(asked.get("piece")), asked.get("model")
    if name is None:
        return describe(score)
    representation = models.load(check(name, str, "model")).representation
    steps = getattr(representation, "steps", STEPS)
    return describe(assign_voices(score, representation.voices), representation.voices, steps)


def is_session(asked: Mapping[str, Any]) -> bool:
    """Whether a request is about a session of the tab Play."""
    recipe = asked.get("recipe")
    return isinstance(recipe, Mapping) and recipe.get(TASK) == "play"


def _title(asked: Mapping[str, Any]) -> str:
    title = check(asked.get("title", ""), str, "title")
    return "".join(letter for letter in title if letter.isprintable())[:LETTERS] or "Piece"


async def _json(request: Request, keys: set[str] | None = None) -> Any:
    """The body of a request, which must be JSON, say so, and have no other keys: a form of a foreign page cannot."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "the body must be application/json")
    try:
        value = json.loads(await request.body(), parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False).encode()  # half of a letter, as \ud800, can be in no answer
    except (ValueError, RecursionError):
        raise HTTPException(422, "the body is no JSON") from None
    if not isinstance(value, dict) or (keys is not None and value.keys() - keys):
        raise HTTPException(422, f"the body must be an object with {', '.join(sorted(keys or {TASK}))}")
    return value


def _refuse(name: str) -> None:
    raise ValueError(name)


def serve(
    settings: Settings,
    session: Session,
    host: str = HOST,
    port: int = PORT,
    token: str | None = None,
    open_page: bool = True,
    names: Iterable[str] = (),
) -> int:
    """Serve the studio until Ctrl-C. Returns the exit status.

    Args:
        settings: all settings.
        session: where models are.
        host: the address to listen on.
        port: its port; 0 takes a free one.
        token: without which nobody is answered; None: a random one.
        open_page: open the page in a browser, where there is a display.
        names: further host names by which it may be asked.

    Raises:
        EtudeError: the address cannot be used, the token is too short, or there is no model.
    """
    import uvicorn

    token, names = make_token(token), require_names(names)
    models = Models(settings, session)
    if not models.harmonizers():
        raise EtudeError("There is no model that harmonises. Train one with: etude train model=voices")
    address = bind(host, port)
    real = address.getsockname()[1]
    worker = Worker()
    app = application(models, Admission(token, real), {"localhost", host, *names}, worker)
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="error",
        server_header=False,
        timeout_graceful_shutdown=2,
        ws_max_size=MOST_BYTES,
    )
    link = f"{address_of(host, real)}/?token={token}"
    print(f"etude: the studio is at {link}", flush=True)
    if listens_everywhere(host):
        print("etude: it can be reached at each address of this machine, by whoever has the token.", flush=True)
    print("etude: Ctrl-C ends it.", file=sys.stderr, flush=True)
    if open_page:
        from etude.tracking.ui import open_browser

        open_browser(link)
    try:
        serve_at(config, address)
    except KeyboardInterrupt:
        pass  # it has shut down
    finally:
        worker.close()
        with suppress(OSError):
            address.close()
    return 0
