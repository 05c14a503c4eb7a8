"""The pytest11 entry point: makes remotest the plugin that distributes, if it is to be that.

Nothing of ``remotest`` is imported unless a run distributes or a suite asks for a name of it.
"""

from typing import Any

from pytest_remotest import plainimport

plainimport.install()

from pytest_remotest import (  # noqa: E402  not before the line above
    distribution,
    required,
    searchpath,  # noqa: F401  imported now, it keeps sys.path as it is now
    xdist_module,
)

NAMES = ("remotest", "xdist")  # "-p no:" with one of them turns this off.
SUPERFLUOUS = ("xdist.plugin", "xdist.looponfail", "pytest_remotest.entry")


def pytest_addhooks(pluginmanager: Any) -> None:
    """Take over from pytest-xdist where it is loaded too, and keep it out where it comes later.

    Called as soon as this module is registered, whoever comes first. The module ``xdist.plugin``
    has the same hook, where it is ours.
    """
    if pluginmanager.has_plugin(distribution.NAME) or any(map(pluginmanager.is_blocked, NAMES)):
        return
    for name in (*NAMES, *SUPERFLUOUS):
        if not _is_ours(pluginmanager.get_plugin(name)):
            pluginmanager.unregister(name=name)
            # Not blocked: "-p" unblocks. A name that is taken is passed over by all.
            pluginmanager.register(_TakenName(), name)
    pluginmanager.register(distribution.Distribution(_make_controller), distribution.NAME)
    pluginmanager.register(required.RequiredPlugins(xdist_module.present_versions))


class _TakenName:
    """What holds a name that plugins ask for, so that nobody else takes it."""


def _is_ours(plugin: Any) -> bool:
    return getattr(plugin, "pytest_addhooks", None) is pytest_addhooks


def _make_controller(config: Any) -> Any:
    from pytest_remotest.unbroken import Unbroken  # noqa: PLC0415  nobody else needs it

    # The one arrow from what travels to what stays: a worker never comes here.
    with Unbroken():
        from remotest.start import make_controller  # noqa: PLC0415  see above

    return make_controller(config)


def _find_on_controller(name: str) -> Any:
    from remotest.compat.names import find  # noqa: PLC0415  as above

    return find(name)


xdist_module.install(_find_on_controller, hooks=[pytest_addhooks])
