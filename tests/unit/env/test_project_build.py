"""Why a build backend failed, in one line."""

from __future__ import annotations

import textwrap

import pytest

from remotest.env.project_build import reason_in


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            """\
            error: Failed to build `demo @ file:///tmp/project`
              cause: The build backend returned an error
              cause: Call to `setuptools.build_meta.build_editable` failed (exit status: 1)

                     [stderr]
                     error: Multiple top-level packages discovered: ['one', 'two'].

                     To avoid accidental inclusion of unwanted files or directories,
                     setuptools will not proceed with this build.

            hint: Build failures usually indicate a problem with the package
            """,
            "Multiple top-level packages discovered: ['one', 'two']",
        ),
        (
            """\
            error: Failed to build `demo @ file:///tmp/project`
              cause: The build backend returned an error

                     [stderr]
                     Traceback (most recent call last):
                       File "<string>", line 14, in <module>
                         raise ValueError("1")
                     ValueError: 1
                     During handling of the above exception, another exception occurred:
                     OSError: no README.md
            """,
            "OSError: no README.md",
        ),
        (
            """\
            error: Failed to resolve requirements from `build-system.requires`
              cause: No solution found when resolving: `hatchling`
              cause: Because hatchling was not found in the package registry
            """,
            "No solution found when resolving: `hatchling`",
        ),
        (
            """\
              error: subprocess-exited-with-error

              Getting requirements to build editable did not run successfully.
              exit code: 1
              > [14 lines of output]
                  error: no setup.py
                  [end of output]

              note: This error originates from a subprocess, and is likely not a problem with pip.
            """,
            "no setup.py",
        ),
        ("no compiler\n", "no compiler"),
        ("", "it says nothing"),
    ],
)
def test_why_a_backend_failed(words: str, reason: str) -> None:
    assert reason_in(textwrap.dedent(words)) == reason
