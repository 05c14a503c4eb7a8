"""Which files travel to a host: one grammar of rules, and what stays home by default. Pure.

A rule is a glob, as in ``.gitignore``: without a slash it is compared with the name at any depth,
with one with the whole path below the directory that it was written for (the anchor); ``!`` before
it takes along again what an earlier rule left out, ``/`` behind it makes it count for directories
only. One difference: a rule that begins with ``/`` is an absolute path of this machine, as in
pytest-xdist; write ``./build`` for a name at the top. The last rule that matches decides.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from remotest.errors import UsageError
from remotest.sync.extensions import is_for_some

if TYPE_CHECKING:
    from collections.abc import Iterable

SECRETS: Final = (
    (".env", "settings with passwords"),
    (".env.*", "settings with passwords"),
    ("!.env.example", "a template without values"),
    ("!.env.sample", "a template without values"),
    ("!.env.template", "a template without values"),
    ("!.env.dist", "a template without values"),
    (".envrc", "settings of direnv"),
    ("*.pem", "a key or certificate"),
    ("*.key", "a private key"),
    ("*.p12", "a key store"),
    ("*.pfx", "a key store"),
    ("*.jks", "a key store"),
    ("*.keystore", "a key store"),
    ("*.kdbx", "a password store"),
    ("*.ppk", "a private key of PuTTY"),
    # Keys have no suffix, or are copies of one: id_map.py and id_list.json are sources.
    ("id_*", "a private key of SSH"),
    ("!id_*.*", "a source, not a key"),
    ("id_rsa.*", "a private key of SSH"),
    ("id_dsa.*", "a private key of SSH"),
    ("id_ecdsa.*", "a private key of SSH"),
    ("id_ed25519.*", "a private key of SSH"),
    (".netrc", "passwords of ftp, curl and pip"),
    ("_netrc", "passwords of ftp, curl and pip"),
    (".pypirc", "tokens of package indexes"),
    (".npmrc", "tokens of package indexes"),
    (".pgpass", "passwords of PostgreSQL"),
    (".my.cnf", "passwords of MySQL"),
    (".htpasswd", "passwords of a web server"),
    (".git-credentials", "passwords of git"),
    (".vault-token", "a token of Vault"),
    ("credentials", "keys of a cloud account"),
    ("credentials.json", "keys of a cloud account"),
    ("client_secret*.json", "keys of a cloud account"),
    ("service[-_]account*.json", "keys of a cloud account"),
    (".ssh/", "keys of SSH"),
    (".gnupg/", "keys of GnuPG"),
    (".aws/", "keys of a cloud account"),
    (".azure/", "keys of a cloud account"),
    (".kube/", "keys of a cluster"),
)
"""What stays home unless a rule names it, and what it is. Those with a slash are directories."""

DEFAULTS: Final = (
    # As pytest-xdist has it.
    ".*",
    "*.pyc",
    "*.pyo",
    "*~",
    # Bytecode of this machine's interpreter is of no use to another.
    "__pycache__/",
    # What pytest and coverage read their settings from.
    "!.pytest.ini",
    "!.pytest.toml",
    "!.coveragerc",
    "!.coveragerc.toml",
)
"""What is ignored in a directory that a user named, and in what git does not track."""

JUNK: Final = (
    "node_modules/",  # Fetched again by whoever needs it; often larger than everything else.
    "__pypackages__/",  # As virtual environments: for one interpreter of one machine.
    "htmlcov/",  # Reports of earlier runs.
    # Results of builds. Only at the top: further down they are packages that are called so.
    "./build/",
    "./dist/",
)
"""What else is ignored where nobody named a directory and no git knows what belongs to it."""

ENVIRONMENT_MARKERS: Final = ("pyvenv.cfg", "conda-meta")
"""A directory that holds one of these is a virtual environment: made for one machine."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule: ``travels`` says what becomes of that which it matches.

    ``pattern`` is for the whole absolute path if ``whole_path``, else for the last part of it.
    """

    text: str
    travels: bool
    directories_only: bool
    whole_path: bool
    pattern: re.Pattern[str]

    def matches(self, path: str, *, is_directory: bool) -> bool:
        """Return whether the rule is about this absolute path."""
        if self.directories_only and not is_directory:
            return False
        subject = path if self.whole_path else path.rpartition("/")[2]
        return self.pattern.fullmatch(subject) is not None

    @property
    def names_something(self) -> bool:
        """Whether the last part holds a letter or digit: ``!*`` and ``!.*`` name nothing."""
        last = self.text.rstrip("/").rpartition("/")[2]
        return any(character.isalnum() for character in last)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether a path travels, and why.

    ``is_for_some``: only to hosts of which an interpreter can import it.
    """

    travels: bool
    reason: str
    is_secret: bool = False
    is_for_some: bool = False


_TRACKED: Final = Decision(travels=True, reason="tracked by git")
_EXTENSION: Final = Decision(travels=True, reason="an extension module", is_for_some=True)
_NO_RULE: Final = Decision(travels=True, reason="no rule")


def parse_rule(text: str, anchor: str) -> Rule:
    """Return the rule of a text.

    Args:
        text: as the user wrote it.
        anchor: absolute directory that a relative path in it is relative to: that of the config
            file for a rule from there, the current one for a rule of the command line.

    Raises:
        UsageError: the text is no rule.
    """
    body = text.removeprefix("!")
    whole_path = "/" in body.rstrip("/")
    parts = [part for part in body.split("/") if part]
    if not parts or all(part in (".", "..") for part in parts):
        raise UsageError(
            f"rsyncignore rule {text!r}: it matches nothing; write a name or a glob such as *.log"
        )
    if not whole_path:
        pattern = _translate_part(parts[0])
    elif body.startswith("/"):
        pattern = _translate_path("", parts)
    else:
        pattern = _translate_path(anchor.rstrip("/"), parts)
    return Rule(
        text=text,
        travels=text.startswith("!"),
        directories_only=body.endswith("/"),
        whole_path=whole_path,
        pattern=re.compile(pattern, re.DOTALL),
    )


def _translate_path(anchor: str, parts: list[str]) -> str:
    """Return the regular expression of a whole path: ``**`` is any number of directories."""
    pattern = re.escape(anchor)
    for index, part in enumerate(parts):
        if part == "..":
            anchor = anchor.rpartition("/")[0]
            pattern = re.escape(anchor)
        elif part == "**":
            pattern += "/.+" if index == len(parts) - 1 else "(?:/[^/]+)*"
        elif part != ".":
            anchor += f"/{part}"
            pattern += "/" + _translate_part(part)
    return pattern


def _translate_part(glob: str) -> str:
    """Return the regular expression of one part of a path. A backslash takes a wildcard's power."""
    # A bracket that comes first in a set, also behind "!", is one of its members.
    token = re.compile(r"\\(.)|(\*+)|(\?)|\[(!|(?!!))(\][^\]]*|[^\]]+)\]|(.)", re.DOTALL)
    pieces = [""]
    for escaped, stars, question, negation, members, plain in token.findall(glob):
        if stars:
            pieces.append("")
        elif question:
            pieces[-1] += "[^/]"
        elif members:
            pieces[-1] += _translate_set(members, is_negated=bool(negation))
        else:
            pieces[-1] += re.escape(escaped or plain)
    if len(pieces) == 1:
        return pieces[0]
    # What stands between stars is taken where it comes first, for good: to try all its places, for
    # each star, would have no end where a name is long and there are many stars.
    inner = "".join(
        f"(?=(?P<piece{number}>[^/]*?{piece}))(?P=piece{number})"
        for number, piece in zip(_piece_numbers, pieces[1:-1], strict=False)
    )
    return f"{pieces[0]}{inner}[^/]*{pieces[-1]}"


_piece_numbers: Final = itertools.count()
"""A group of a regular expression has one name, also where patterns are joined."""


def _translate_set(members: str, *, is_negated: bool) -> str:
    """Return the regular expression of what stands between brackets."""
    items = ""
    waiting = members
    while waiting:
        first, dash, last = waiting[0], waiting[1:2], waiting[2:3]
        if dash == "-" and last:
            items += f"{re.escape(first)}-{re.escape(last)}" if first <= last else ""
            waiting = waiting[3:]
        else:
            items += re.escape(first)
            waiting = waiting[1:]
    if not items:  # A range such as b-a holds nothing.
        return "[^/]" if is_negated else _NOTHING
    return f"[^/{items}]" if is_negated else f"[{items}]"


class Rules:
    """The rules of one run: what the user wrote, and the defaults of this module.

    Args:
        own: rules from the config file, then those of the command line: the last one decides.
        top: absolute directory that holds the tree; ``JUNK`` is relative to it.
        leaves_junk: whether ``JUNK`` stays home, too.
    """

    def __init__(self, own: Iterable[Rule], *, top: str, leaves_junk: bool) -> None:
        self._own = _Ordered(own)
        texts = (*DEFAULTS, *(JUNK if leaves_junk else ()))
        self._defaults = _Ordered(parse_rule(text, top) for text in texts)

    def own_decision(self, path: str, *, is_directory: bool) -> Decision | None:
        """Return what the user's own rules and the list of secrets say, None if nothing.

        A secret that a rule leaves out by name is no longer one that the user must hear of.
        """
        own = self._own.last_match(path, is_directory=is_directory)
        secret = _secret(path, is_directory=is_directory)
        if secret is not None and (own is None or (own.travels and not own.names_something)):
            return Decision(travels=False, reason=secret, is_secret=True)
        if own is not None:
            return Decision(travels=own.travels, reason=f"rule {own.text}")
        return None

    def decide(self, path: str, *, is_directory: bool, is_tracked: bool = False) -> Decision:
        """Return whether a path travels if the directory that holds it does.

        Args:
            path: absolute, of this machine.
            is_directory: of the path itself: a link to a directory is none.
            is_tracked: git tracks it, or something in it: then no default leaves it out.
        """
        if own := self.own_decision(path, is_directory=is_directory):
            return own
        if is_tracked:
            return _TRACKED
        default = self._defaults.last_match(path, is_directory=is_directory)
        if default is None:
            for_some = not is_directory and is_for_some(path.rpartition("/")[2])
            return _EXTENSION if for_some else _NO_RULE
        return Decision(travels=default.travels, reason=f"default rule {default.text}")


class _Ordered:
    """Rules of which the last one that matches decides."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        self._names = _any_of(rule for rule in self.rules if not rule.whole_path)
        self._paths = _any_of(rule for rule in self.rules if rule.whole_path)

    def last_match(self, path: str, *, is_directory: bool) -> Rule | None:
        """Return the rule that decides about an absolute path, None if none matches."""
        # Two looks for the many paths that no rule is about.
        if not (self._names.fullmatch(path.rpartition("/")[2]) or self._paths.fullmatch(path)):
            return None
        matching = (
            rule for rule in reversed(self.rules) if rule.matches(path, is_directory=is_directory)
        )
        return next(matching, None)


def _any_of(rules: Iterable[Rule]) -> re.Pattern[str]:
    """Return what matches whatever one of the rules matches, and nothing if there are none."""
    return re.compile("|".join([_NOTHING, *(rule.pattern.pattern for rule in rules)]), re.DOTALL)


_NOTHING: Final = "(?!)"

_SECRET_RULES: Final = tuple((parse_rule(text, "/"), reason) for text, reason in SECRETS)
_PERHAPS_SECRET: Final = _any_of(rule for rule, _ in _SECRET_RULES if not rule.travels)


def _secret(path: str, *, is_directory: bool) -> str | None:
    """Return what kind of secret a path is, None if it is none."""
    if _PERHAPS_SECRET.fullmatch(path.rpartition("/")[2]) is None:
        return None
    for rule, reason in reversed(_SECRET_RULES):
        if rule.directories_only == is_directory and rule.matches(path, is_directory=is_directory):
            return None if rule.travels else reason
    return None
