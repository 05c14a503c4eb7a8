"""What hosts say, without what would steer a terminal, a CI system or the eye of a reader. Pure.

Everything that a host on another machine says goes through ``HostText`` before anybody here sees
it: pytest's reporters, JUnit files and plugins show texts as they are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pytest_remotest import messages
from pytest_remotest.frames import to_json
from pytest_remotest.values import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MIN_SECRET_CHARS: Final = 8
"""Of a secret that is looked for in texts: a shorter one stands in too many words."""

MAX_WORDS_CHARS: Final = 16 * 1024
"""Of a reason or note of a host, which is shown as it comes: several screens, with a traceback."""

MAX_NOTES: Final = 100
"""Of a host that has been brought something: each is a line."""

MASK: Final = "***"
"""What stands in the place of a secret, as CI systems write it."""

_SECRET_NAME: Final = re.compile(
    r"(?!.*(PATH|FILE|DIR|HOME)$).*(TOKEN|KEY|SECRET|PASS|CREDENTIAL)", re.IGNORECASE
)
"""Names of variables with secrets, and not with places of them."""

_SUSPECT: Final = re.compile(rb"\\[bfnru]|\x7f")
"""How JSON in ASCII writes what may have to be replaced, and harmless ends of lines and letters."""

# C0 but tab and line end, C1, other ends of lines, marks that turn the direction of a text.
_STEERING: Final = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069"
_ANY_STEERING: Final = re.compile(f"[{_STEERING}]")
_ANY_STEERING_OR_END: Final = re.compile(f"[{_STEERING}\n]")
# A colour is let through; it is matched first and put back.
_STEERING_BUT_COLOURS: Final = re.compile(rf"(\x1b\[[0-9;:]{{0,40}}m)|[{_STEERING}]")

_CI_COMMANDS: Final = {
    "GITHUB_ACTIONS": r"^\s*::|##\[",
    "TF_BUILD": r"##vso\[|##\[",
    "TEAMCITY_VERSION": r"##teamcity\[",
}
"""Variable that a CI system sets -> how lines begin, or what is in them, that it obeys."""

_ANY_CI_COMMAND: Final = re.compile("|".join(_CI_COMMANDS.values()), re.MULTILINE)

_COLOURED_FIELDS: Final = frozenset({"longrepr", "sections"})
_ONE_LINE_FIELDS: Final = frozenset({"nodeid", "keywords", "outcome", "when"})
"""Of reports."""

_SHOWN: Final = (
    *(messages.TestReport, messages.CollectReport, messages.ItemPassed, messages.WarningRecorded),
    *(messages.InternalError, messages.WorkerOutput, messages.WorkerExited, messages.BuildFailed),
    *(messages.Collected, messages.LogStart, messages.LogFinish, messages.ProcessesLeft),
)
"""Messages that are there to be shown: in others a secret's text may be a part of a path."""


def printable(text: str) -> str:
    """Return a host's text for a line of our own: it steers neither terminals nor CI systems.

    Of what is not printable only line ends and tabs stay.
    """
    shown = "".join(
        character if character.isprintable() or character in "\n\t" else "?"
        for character in text.replace("\r\n", "\n")
    )
    return _ANY_CI_COMMAND.sub(_disarmed, shown)


def one_line(text: str) -> str:
    """Return a text, as hosts have it, without what would break the line or steer a terminal."""
    return " ".join(printable(text).split())


def secrets_of(variables: Iterable[tuple[str, str | None]], here: Mapping[str, str]) -> set[str]:
    """Return the values that must not be shown of those that hosts are given.

    Args:
        variables: name -> value, None for the one that it has here.
        here: the variables of this process.
    """
    values = {
        value if value is not None else here.get(name, "")
        for name, value in variables
        if _SECRET_NAME.match(name)
    }
    return {value for value in values if len(value) >= MIN_SECRET_CHARS}


class HostText:
    """Cleans messages of hosts. Used by several threads at once.

    Args:
        secrets: texts that are replaced by ``MASK`` wherever a host says them.
        environment: the variables of this process: they tell which CI system reads along.
    """

    def __init__(
        self, secrets: Iterable[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        commands = [_CI_COMMANDS[name] for name in _CI_COMMANDS if (environment or {}).get(name)]
        self._commands = re.compile("|".join(commands), re.MULTILINE) if commands else None
        longest_first = sorted(secrets, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first)))
        # As JSON writes them: what has none of them in its bytes has none in its texts.
        self._secret_bytes = [to_json(secret)[1:-1].encode("ascii") for secret in longest_first]

    def clean(self, batch: Iterable[Any], frame: bytes) -> list[Any]:
        """Return messages with clean texts.

        Args:
            batch: as ``frames.decode`` returns them: none is nested deeper than can be followed.
            frame: the bytes that they came in: most have nothing that has to be looked for.
        """
        cleaned = list(batch)
        if len(frame) > MAX_WORDS_CHARS:
            cleaned = [_shortened(message) for message in cleaned]
        has_secret = any(secret in frame for secret in self._secret_bytes)
        if has_secret or self._commands or _SUSPECT.search(frame):
            cleaned = [self._message(message) for message in cleaned]
        return cleaned

    def line(self, text: str) -> str:
        """Return a line that has been put together from several messages."""
        return self._without_words(printable(text))

    def _message(self, message: Any) -> Any:
        if not isinstance(message, _SHOWN):
            return _map_texts(message, _without_steering)
        if isinstance(message, messages.TestReport | messages.CollectReport):
            return message._replace(data=self._report(message.data))
        if isinstance(message, messages.WarningRecorded):
            location = self._location(message.location)
            cleaned = _map_texts(message._replace(text="", location=None), self._one_line)
            return cleaned._replace(text=self._text(message.text), location=location)
        if isinstance(message, messages.LogStart | messages.LogFinish):
            node_id, location = self._one_line(message.node_id), self._location(message.location)
            return message._replace(node_id=node_id, location=location)
        if isinstance(message, messages.ItemPassed):
            keywords = [self._one_line(name) for name in message.keywords]
            sections = _map_texts(message.sections, self._coloured)
            return message._replace(keywords=keywords, sections=sections)
        is_list_of_ids = isinstance(message, messages.Collected)
        return _map_texts(message, self._one_line if is_list_of_ids else self._text)

    def _report(self, data: dict[str, Any]) -> dict[str, Any]:
        cleaned = {}
        for name, value in data.items():
            if name == "location":
                cleaned[name] = self._location(value)
            elif name in _COLOURED_FIELDS:
                cleaned[name] = _map_texts(value, self._coloured)
            else:
                clean = self._one_line if name in _ONE_LINE_FIELDS else self._text
                cleaned[self._one_line(name)] = _map_texts(value, clean)
        return cleaned

    def _location(self, value: Any) -> Any:
        """Return a location: pytest makes ``::`` of the dots in its name, also of a first one."""
        cleaned = _map_texts(value, self._one_line)
        if self._commands is not None and isinstance(cleaned, list) and cleaned:
            *rest, name = cleaned
            if isinstance(name, str) and name.lstrip().startswith("."):
                return [*rest, name.replace(".", "?", 1)]
        return cleaned

    def _one_line(self, text: str) -> str:
        return self._without_words(_ANY_STEERING_OR_END.sub("?", text))

    def _text(self, text: str) -> str:
        return self._without_words(_without_steering(text))

    def _coloured(self, text: str) -> str:
        text = _STEERING_BUT_COLOURS.sub(lambda found: found[1] or "?", text.replace("\r\n", "\n"))
        return self._without_words(text)

    def _without_words(self, text: str) -> str:
        """Return a text without secrets, and without words that a CI system obeys."""
        if self._secret_bytes:
            text = self._secrets.sub(MASK, text)
        if self._commands is not None:
            text = self._commands.sub(_disarmed, text)
        return text


def _shortened(message: Any) -> Any:
    """Return a message with no more words than a person reads, where it is told as it is."""
    match message:
        case (
            messages.SyncFailed()
            | messages.EnvFailed()
            | messages.BuildFailed()
            | messages.CacheFailed()
        ):
            return _map_texts(message, _few_words)
        case messages.SyncDone() | messages.EnvDone():
            notes = message.notes[:MAX_NOTES]
            if len(notes) < len(message.notes):
                notes.append(f"... and {len(message.notes) - len(notes)} more")
            return message._replace(notes=[_few_words(note) for note in notes])
        case messages.WorkerExited():
            killed = _few_words(" ".join(message.killed.split()))
            return message._replace(output=_few_words(message.output), killed=killed)
        case messages.SessionFinished():
            return message._replace(interrupted=_few_words(message.interrupted))
        case messages.InternalError():
            return message._replace(text=_few_words(message.text))
        case _:
            return message


def _few_words(text: str) -> str:
    return cut(text, MAX_WORDS_CHARS)


def _without_steering(text: str) -> str:
    return _ANY_STEERING.sub("?", text.replace("\r\n", "\n"))


def _disarmed(command: re.Match[str]) -> str:
    """Return the beginning of a command with its first sign replaced."""
    blanks = len(command[0]) - len(command[0].lstrip())
    return command[0][:blanks] + "?" + command[0][blanks + 1 :]


def _map_texts(value: Any, clean: Callable[[str], str]) -> Any:
    """Return a value as JSON or a message holds it, with each text in it cleaned."""
    if type(value) is str:
        return clean(value)
    if type(value) is list:
        return [_map_texts(item, clean) for item in value]
    if type(value) is dict:
        return {clean(key): _map_texts(item, clean) for key, item in value.items()}
    if isinstance(value, tuple):
        return type(value)(*(_map_texts(item, clean) for item in value))
    return value
