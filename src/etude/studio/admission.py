"""Who may ask the studio: a page from its own address that has the token."""

import hmac
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from etude.core.errors import EtudeError
from etude.core.serving import Message, Refusal, header

SHORTEST = 16  # letters of a token of one's own
LONGEST = 200
COOKIE = "etude_studio"  # with the port: browsers share cookies between the ports of a host
TOKEN_HEADER = "x-studio-token"


def make_token(given: str | None = None) -> str:
    """A random token, or the one that is given. Raises EtudeError where that can be guessed or not be sent."""
    if given is None:
        return secrets.token_urlsafe(24)
    if not SHORTEST <= len(given) <= LONGEST or not all(letter.isalnum() or letter in "-_" for letter in given):
        raise EtudeError(
            f"token must have at least {SHORTEST} letters, digits, - or _, so that nobody can guess it. Leave it out "
            "for a random one."
        )
    if not given.isascii():
        raise EtudeError("token must have letters without accents. Leave it out for a random one.")
    return given


class Admission:
    """The rules of one studio, for ``etude.core.serving.Guard``.

    The token comes in the address, in a header, or as the cookie that the page gets. A request that a foreign page made
    is refused even with the cookie: by its Origin, by Sec-Fetch-Site, and since the cookie is SameSite=Strict.
    """

    def __init__(self, token: str, port: int) -> None:
        """Args: the token; the port, for the name of the cookie."""
        self.token, self.cookie = token, f"{COOKIE}_{port}"

    def __call__(self, scope: Message) -> Refusal | None:
        """Why a request, or the start of a WebSocket, is refused; None where it is admitted."""
        stated = self._stated(scope)
        if stated is not None and not self._is_right(stated):
            return 403, "This token is not that of the studio: open the address that etude studio printed last."
        if stated is None and not self._is_right(self._from_cookie(scope)):
            return 403, "The studio asks for its token: open the address that etude studio printed, as it stands there."
        writes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        origin, site = header(scope, "origin"), header(scope, "sec-fetch-site")
        if origin is not None and not self._is_own(origin, scope):
            return 403, "A page of another address may not ask the studio."
        if origin is None and writes and stated is None:
            return 403, "A request that changes something must state its Origin, or the token."
        if site not in (None, "same-origin", "none") and not self._is_visit(scope, stated):
            return 403, "A page of another site may not ask the studio."
        return None

    def set_cookie(self) -> str:
        """The header that gives a page the cookie."""
        return f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict"

    def _stated(self, scope: Message) -> str | None:
        named = parse_qs(scope.get("query_string", b"").decode("latin-1"), max_num_fields=20).get("token")
        return named[0] if named else header(scope, TOKEN_HEADER)

    def _from_cookie(self, scope: Message) -> str:
        try:
            found = SimpleCookie(header(scope, "cookie") or "").get(self.cookie)
        except CookieError:
            return ""
        return found.value if found is not None else ""

    def _is_right(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode())

    @staticmethod
    def _is_own(origin: str, scope: Message) -> bool:
        """Whether an Origin is the address that the request went to, whose host the guard has checked."""
        try:
            found = urlsplit(origin)
        except ValueError:
            return False
        return found.scheme in ("http", "https") and found.netloc.lower() == (header(scope, "host") or "").lower()

    @staticmethod
    def _is_visit(scope: Message, stated: str | None) -> bool:
        """Whether somebody follows a link with the token to the page itself."""
        at_page = scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == "/"
        return at_page and stated is not None and header(scope, "sec-fetch-mode") == "navigate"
