"""The inventory: a YAML file of named hosts and groups, and what ``@name`` after ``--tx`` means.

The values of a host obey the rules of ``spec_rules``; here is what is the inventory's own: the
layout, defaults, groups, labels. How YAML is read, with line numbers, is in ``yaml_nodes``.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from remotest.errors import SpecError, UsageError
from remotest.spec import (
    AUTO,
    GatewaySpec,
    SocketTarget,
    SshTarget,
    TxRequest,
    WorkerCount,
    build_request,
    build_spec,
    check_count,
    parse_tx,
    read_parts,
    shown,
    split_count,
    with_options,
)
from remotest.spec_rules import (
    ENV_PREFIX,
    KEYS,
    SHOWN_CHARS,
    SSH_ONLY,
    WAYS,
    check_one_interpreter,
    located,
    nearest,
    quote,
    read_env,
    read_value,
    unknown_key,
    venv_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import yaml

    from remotest.yaml_nodes import MappingEntry, YamlFile

FILE_NAME: Final = "remotest.yaml"
"""The inventory beside the config file."""

LABEL_PREFIX: Final = "label:"
"""``@label:gpu`` names every host that has the label ``gpu``."""

TOP_KEYS: Final = ("defaults", "hosts", "groups")

ENV_MODE_KEY: Final = "env_mode"
"""What a spec calls ``env=``: here ``env`` holds the variables."""

HOST_KEYS: Final = (
    *(ENV_MODE_KEY if key == "env" else key for key in KEYS),
    "env",
    "workers",
    "labels",
)
DEFAULT_KEYS: Final = tuple(key for key in HOST_KEYS if key not in {*WAYS, "id", "via", "labels"})
"""What hosts can have in common; the rest is one host's own."""

_NAMED: Final = re.compile(r'(?:[^=/*"]*\*)?@')

NUMBER_KEYS: Final = ("nice", "connect_timeout", "heartbeat")


@dataclass(frozen=True, kw_only=True)
class Host:
    """One named host: its spec, how many workers a bare ``@name`` means, its labels."""

    name: str
    spec: GatewaySpec
    workers: WorkerCount = 1
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """Hosts and groups by name. ``Inventory()`` is that of a project without one.

    A member of a group is the name of a host or of another group; groups have no cycles.
    """

    path: Path | None = None
    hosts: Mapping[str, Host] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def expand(self, text: str) -> tuple[TxRequest, ...]:
        """Return the requests of one ``--tx``, one for each host it names, in the file's order.

        ``@name``, ``4*@group``, ``auto*@label:gpu``; what follows ``//`` is added to, or stands
        instead of, what the inventory says. Without ``@`` it is a spec as ``parse_tx`` reads it.

        Raises:
            SpecError: nothing has this name, or it is no spec; the message names it.
        """
        if not _NAMED.match(text):
            return (parse_tx(text),)
        with located(f"--tx {shown(text)}"):
            count, rest = split_count(text)
            name, slashes, options_text = rest.removeprefix("@").partition("//")
            hosts = self._named(name)
            options = read_parts(options_text) if slashes else {}
            _check_options(options, hosts)
            return tuple(
                build_request(
                    with_options(host.spec, options),
                    host.workers if count is None else count,
                    host.labels,
                )
                for host in hosts
            )

    def _named(self, name: str) -> list[Host]:
        if self.path is None:
            raise SpecError(
                f"'@' names an entry of an inventory, and there is none: write {FILE_NAME} beside"
                " pytest's config file, or name a file with --inventory"
            )
        if name in self.hosts:
            return [self.hosts[name]]
        if name in self.groups:
            return self._members(name)
        label = name.removeprefix(LABEL_PREFIX)
        labelled = [host for host in self.hosts.values() if label in host.labels]
        if name.startswith(LABEL_PREFIX) and labelled:
            return labelled
        labels = [f"{LABEL_PREFIX}{label}" for host in self.hosts.values() for label in host.labels]
        known = [*self.hosts, *self.groups, *dict.fromkeys(labels)]
        raise SpecError(f"{self.path} has no {_no_such(name, known)}")

    def _members(self, group: str) -> list[Host]:
        """Return each host of a group once, in the order in which it is first named."""
        found: dict[str, Host] = {}
        seen: set[str] = set()
        pending = [group]
        while pending:
            name = pending.pop()
            if name in self.hosts:
                found.setdefault(name, self.hosts[name])
            elif name not in seen:
                seen.add(name)
                pending.extend(reversed(self.groups[name]))
        return list(found.values())


def find(inipath_dir: Path, option: str | None) -> Path | None:
    """Return the inventory of a run: the one named, or the one beside the config file, or None.

    Raises:
        UsageError: the named file is not there.
    """
    if option is None:
        path = inipath_dir / FILE_NAME
        return path if path.is_file() else None
    path = Path(option)
    if not path.exists():
        raise UsageError(f"--inventory {quote(option)}: there is no such file")
    return path


def load(path: Path) -> Inventory:
    """Return the inventory in a file.

    Raises:
        UsageError: the file cannot be read.
        SpecError: it holds no valid inventory; the message begins with ``file:line``.
    """
    # Not at the top: most runs have no inventory, and PyYAML takes longer to import than all this.
    from remotest.yaml_nodes import read_root  # noqa: PLC0415

    file, root = read_root(path)
    top = file.mapping(root, "an inventory", TOP_KEYS)
    if "hosts" not in top:
        raise file.error(root, "hosts: is missing: a mapping of names to hosts")
    defaults = _read_defaults(file, top)
    entries = file.mapping(top["hosts"].value, "hosts")
    if not entries:
        raise file.error(top["hosts"].key, "hosts: names no host")
    hosts = {name: _read_host(file, name, entry, defaults) for name, entry in entries.items()}
    groups = _read_groups(file, top["groups"].value, hosts) if "groups" in top else {}
    return Inventory(path=path, hosts=hosts, groups=groups)


def _check_options(options: Mapping[str, Any], hosts: Sequence[Host]) -> None:
    for key in WAYS:
        if key in options:
            raise SpecError(f"{key} is not for here: the inventory says how a host is reached")
    if "id" in options and len(hosts) > 1:
        raise SpecError(f"id={options['id']} names one worker, and these are {len(hosts)} hosts")


def _read_defaults(file: YamlFile, top: Mapping[str, MappingEntry]) -> dict[str, Any]:
    if "defaults" not in top:
        return {}
    entries = file.mapping(top["defaults"].value, "defaults")
    for key, entry in entries.items():
        if key in HOST_KEYS and key not in DEFAULT_KEYS:
            raise file.error(entry.key, f"defaults: {key!r} belongs to one host, not to all")
        if key not in DEFAULT_KEYS:
            raise file.error(entry.key, f"defaults: {unknown_key(key, DEFAULT_KEYS)}")
    fields = _read_fields(file, "defaults", entries)
    with located(f"{file.place(top['defaults'].key)}: defaults"):
        check_one_interpreter(fields)
    return fields


def _read_host(file: YamlFile, name: str, entry: MappingEntry, defaults: Mapping[str, Any]) -> Host:
    where = f"hosts.{_checked_name(file, entry.key, name, 'hosts')}"
    entries = file.mapping(entry.value, where, HOST_KEYS)
    fields = _read_fields(file, where, entries)
    labels = fields.pop("labels", ())
    # An id names one worker, whatever the default is.
    workers = fields.pop("workers", 1 if "id" in fields else defaults.get("workers", 1))
    with located(f"{file.place(entry.key)}: {where}"):
        base = build_spec({key: fields.pop(key) for key in WAYS if key in fields})
        spec = with_options(with_options(base, _fitting(defaults, base, fields)), fields)
        build_request(spec, workers)
    return Host(name=name, spec=spec, workers=workers, labels=labels)


def _fitting(
    defaults: Mapping[str, Any], base: GatewaySpec, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the defaults that mean something for a host that is reached like ``base``."""
    unfit = {"workers"}
    if not isinstance(base.target, SshTarget):
        unfit.update(SSH_ONLY)
    if isinstance(base.target, SocketTarget):
        unfit.update(("setup", "interpreters"))
    if venv_of(fields.get("env")) is not None:
        unfit.add("python")
    has_interpreter = "python" in fields or isinstance(base.target, SocketTarget)
    if has_interpreter and venv_of(defaults.get("env")) is not None:
        unfit.add("env")
    return {key: value for key, value in defaults.items() if key not in unfit}


def _read_fields(file: YamlFile, where: str, entries: Mapping[str, MappingEntry]) -> dict[str, Any]:
    """Return checked values by the key of a spec; those that no spec has keep their names."""
    names = {"env": ENV_PREFIX, ENV_MODE_KEY: "env"}
    return {
        names.get(key, key): _read_field(file, where, names.get(key, key), key, entry)
        for key, entry in entries.items()
    }


def _read_field(file: YamlFile, where: str, key: str, name: str, entry: MappingEntry) -> Any:
    """Return the checked value of one key, written as ``name``, of a host or of the defaults."""
    where = f"{where}.{name}"
    if key == ENV_PREFIX:
        return _read_env(file, where, entry.value)
    if key == "labels":
        labels = file.strings(entry.value, where)
        return tuple(_checked_name(file, node, text, where) for text, node in labels.items())
    if key == "workers":
        return _read_workers(file, where, entry.value)
    if KEYS[key].read is None:
        return _read_flag(file, where, key, entry.value)
    is_number = key in NUMBER_KEYS
    text = file.number(entry.value, where) if is_number else file.string(entry.value, where)
    with located(f"{file.place(entry.value)}: {where.rpartition('.')[0]}"):
        return read_value(key, text)


def _read_env(file: YamlFile, where: str, node: yaml.Node) -> tuple[tuple[str, str | None], ...]:
    if file.is_string(node):
        raise file.error(
            node, f"{where}: holds variables, name: value; what a spec calls env= is {ENV_MODE_KEY}"
        )
    env: list[tuple[str, str | None]] = []
    for name, entry in file.mapping(node, where).items():
        value = None
        if not file.is_null(entry.value):
            value = file.string(entry.value, f"{where}.{name}", is_secret=True)
        with located(f"{file.place(entry.key)}: {where}"):
            env.append((name, read_env(name, value)))
    return tuple(env)


def _read_workers(file: YamlFile, where: str, node: yaml.Node) -> WorkerCount:
    if file.is_string(node):
        if file.string(node, where) != AUTO:
            raise file.error(node, f"{where}: is neither a number nor {AUTO}")
        return AUTO
    digits = file.number(node, where)
    if not digits.isdecimal() or digits.startswith("0") or len(digits) > SHOWN_CHARS:
        raise file.error(node, f"{where}: {quote(digits)} is no number of workers")
    with located(f"{file.place(node)}: {where}"):
        return check_count(int(digits))


def _read_flag(file: YamlFile, where: str, key: str, node: yaml.Node) -> bool:
    value = file.boolean(node, where)
    if key in WAYS and not value:
        raise file.error(node, f"{where}: is true, or left out")
    return value


def _read_groups(
    file: YamlFile, node: yaml.Node, hosts: Mapping[str, Host]
) -> dict[str, tuple[str, ...]]:
    entries = file.mapping(node, "groups")
    groups: dict[str, tuple[str, ...]] = {}
    for name, entry in entries.items():
        where = f"groups.{_checked_name(file, entry.key, name, 'groups')}"
        if name in hosts:
            raise file.error(entry.key, f"{where}: a host has this name already")
        members = file.strings(entry.value, where)
        if not members:
            raise file.error(entry.key, f"{where}: names no host")
        for member, member_node in members.items():
            if member not in hosts and member not in entries:
                problem = _no_such(member, [*hosts, *entries])
                raise file.error(member_node, f"{where}: there is no {problem}")
        groups[name] = tuple(members)
    try:
        TopologicalSorter(groups).prepare()
    except CycleError as error:
        cycle = list(reversed(error.args[1]))
        place = entries[cycle[0]].key
        raise file.error(place, f"groups: a circle: {' -> '.join(cycle)}") from None
    return groups


def _checked_name(file: YamlFile, node: yaml.Node, name: str, where: str) -> str:
    """Return a name of a host, a group or a label, which obeys the rule of ``id=``."""
    try:
        return str(read_value("id", name))
    except SpecError as error:
        raise file.error(node, f"{where}: as a name, {error}") from None


def _no_such(name: str, known: Sequence[str]) -> str:
    near = nearest(name, known)
    listed = textwrap.shorten(", ".join(known), SHOWN_CHARS)
    hint = f"did you mean {near!r}?" if near else f"there are {listed}"
    return f"{quote(name)}: {hint}"
