"""Runs ``pip`` as if this interpreter were another one. A script: started with pip's interpreter.

pip can be told the version, ABI and platform of another interpreter, but not its markers: it
would leave out what only that interpreter needs. So the functions that say what the markers and
the tags are get replaced. They are pip's own business and may change: after that, a check says
whether they still decide, else this script fails and pip is not run at all.

The first line of standard input is JSON: {"markers": {...}, "tags": [...]}. The command line is
pip's.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any, Final

EXIT_NOT_DECIDING: Final = 70
"""The replaced functions no longer decide."""


def replace_target(markers: dict[str, str], tags: list[str]) -> None:
    """Make pip resolve for an interpreter with these markers and tags."""
    marker_module: Any = import_module("pip._vendor.packaging.markers")
    tag_module: Any = import_module("pip._vendor.packaging.tags")
    target_module: Any = import_module("pip._internal.models.target_python")
    options_module: Any = import_module("pip._internal.cli.cmdoptions")
    parsed = [tag for text in tags for tag in tag_module.parse_tag(text)]
    marker_module.default_environment = lambda: dict(markers)
    target_module.TargetPython.get_sorted_tags = lambda _self: parsed
    # It forbids sources for another interpreter. Only their metadata is made here, never a wheel.
    options_module.check_dist_restriction = lambda *_args, **_kwargs: None


def is_deciding(markers: dict[str, str], tags: list[str]) -> bool:
    """Return whether pip now judges by the given markers and tags."""
    marker_module: Any = import_module("pip._vendor.packaging.markers")
    finder_module = import_module("pip._internal.index.package_finder")
    target_module: Any = import_module("pip._internal.models.target_python")
    wheel_module = import_module("pip._internal.models.wheel")
    said = all(
        marker_module.Marker(f"{name} == '{markers[name]}'").evaluate({"extra": ""})
        for name in ("python_version", "platform_python_implementation", "sys_platform")
    ) and not marker_module.Marker("python_version == '1.5'").evaluate({"extra": ""})
    target: Any = target_module.TargetPython()
    fitting = wheel_module.Wheel(f"self_test-1-{tags[0]}.whl")
    strange = wheel_module.Wheel("self_test-1-cp15-cp15-amiga.whl")
    evaluator = finder_module.CandidateEvaluator.create("self-test", target_python=target)
    return (
        said
        and fitting.supported(target.get_unsorted_tags())
        and not strange.supported(target.get_unsorted_tags())
        and [str(tag) for tag in evaluator._supported_tags] == tags  # noqa: SLF001  what is to be checked
    )


def main() -> int:
    """Run pip with the arguments of the command line; its exit code is ours."""
    target = json.loads(sys.stdin.readline())
    replace_target(target["markers"], target["tags"])
    if not is_deciding(target["markers"], target["tags"]):
        sys.stderr.write("this pip decides in another way than known; use uv, or another pip\n")
        return EXIT_NOT_DECIDING
    code: int = import_module("pip._internal.cli.main").main(sys.argv[1:])
    return code


if __name__ == "__main__":
    sys.exit(main())
