"""Rows 52-58: what tests do to the process that they run in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faultlab.catalogue import GREEN, STOPPED, TESTS_FAILED, fault
from faultlab.rows.deaths import THIRD

if TYPE_CHECKING:
    from faultlab.scene import Scene, Seen

ALL_RAN = {"passed": 6}
ONE_DIED = {"passed": 5, "error": 1}
ONE_FAILED = {"passed": 5, "failure": 1}
MEGABYTES_PRINTED = 50


def _third(scene: Scene, *acts: str) -> Seen:
    scene.write_tests(THIRD.format(act="\n        ".join(acts)))
    return scene.run(scene.host("first"))


@fault("52", "garbage on fd 1, 0 and 1 closed", exits=GREEN, outcomes=ALL_RAN, cheap=True)
def garbage(scene: Scene) -> Seen:
    """A test writes bytes that are no text to fd 1 and 2, then closes 0 and 1."""
    noise = 'os.write({}, b"\\xff\\x00" * 5000)'
    return _third(scene, noise.format(1), noise.format(2), "os.close(0)", "os.close(1)")


@fault(
    "53",
    "all file descriptors closed",
    exits=TESTS_FAILED,
    says=["its pipe to the agent was closed: does a test close what it did not open"],
    outcomes=ONE_DIED,
)
def all_closed(scene: Scene) -> Seen:
    """A test closes every file descriptor."""
    return _third(scene, "os.closerange(0, 1000)")


@fault("54", "removed cwd, no descriptor free, no stdout", exits=GREEN, outcomes=ALL_RAN)
def bad_surroundings(scene: Scene) -> Seen:
    """A test removes its working directory, allows itself 3 descriptors, and drops sys.stdout."""
    return _third(
        scene,
        "import resource, tempfile",
        "folder = tempfile.mkdtemp(); os.chdir(folder); os.rmdir(folder)",
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))",
        "sys.stdout = None",
    )


@fault(
    "55", "KeyboardInterrupt in a test", exits=STOPPED, says=["KeyboardInterrupt"], settled=False
)
def keyboard_interrupt(scene: Scene) -> Seen:
    """A test raises KeyboardInterrupt."""
    return _third(scene, "raise KeyboardInterrupt")


@fault("55b", "SystemExit in a test", exits=TESTS_FAILED, says=["SystemExit"], outcomes=ONE_FAILED)
def system_exit(scene: Scene) -> Seen:
    """A test raises SystemExit."""
    return _third(scene, "raise SystemExit(0)")


@fault("56", "report that cannot be serialised", exits=TESTS_FAILED, outcomes=ONE_FAILED)
def unserialisable(scene: Scene) -> Seen:
    """A test has an object and half a surrogate among its properties, and fails with the latter."""
    scene.write_tests(
        r"""
        import pytest

        @pytest.mark.parametrize("number", range(6))
        def test_number(number, request):
            if number == 2:
                request.node.user_properties.append(("object", object()))
                request.node.user_properties.append(("half", "\udc80"))
                pytest.fail("half a pair: \ud800")
        """
    )
    return scene.run(scene.host("first"))


@fault(
    "57",
    "huge captured output",
    exits=TESTS_FAILED,
    says=[r"this report had \d+ bytes: texts, lists or properties of it were left out"],
    outcomes=ONE_FAILED,
)
def huge_output(scene: Scene) -> Seen:
    """A test prints 50 MB and fails."""
    text = f"print(('x' * 99 + chr(10)) * {MEGABYTES_PRINTED * 10_000})"
    return _third(scene, text, "assert 0")


@fault("58", "SIGTERM in a test", exits=TESTS_FAILED, says=["SIGTERM"], outcomes=ONE_DIED)
def sigterm(scene: Scene) -> Seen:
    """A test ignores SIGINT and sends itself SIGTERM."""
    return _third(
        scene,
        "signal.signal(signal.SIGINT, signal.SIG_IGN)",
        "os.kill(os.getpid(), signal.SIGINT)",
        "os.kill(os.getpid(), signal.SIGTERM)",
    )
