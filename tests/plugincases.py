"""Plugins of others: a suite for each, and how it ends."""

from __future__ import annotations

import textwrap
from typing import Final

SUITE: Final = {
    "mod.py": """
        def sign(number):
            if number < 0:
                return -1
            return 1
        """,
    "test_mix.py": """
        import pytest, mod

        @pytest.mark.parametrize("number", range(6))
        def test_passes(number):
            assert mod.sign(number) == 1

        def test_fails():
            assert mod.sign(-5) == 1

        @pytest.mark.skip(reason="not now")
        def test_skipped():
            pass

        @pytest.mark.xfail
        def test_xfails():
            assert 0

        @pytest.fixture
        def broken():
            raise ValueError("broken")

        def test_error(broken):
            pass
        """,
}
COUNTS: Final = "1 failed, 6 passed, 1 skipped, 1 xfailed, 1 error"
COUNTS_MORE: Final = "1 failed, 7 passed, 1 skipped, 1 xfailed, 1 error"

DJANGO: Final = {
    "settings.py": """
        SECRET_KEY = "x"
        DATABASES = {"default": {
            "ENGINE": "django.db.backends.sqlite3", "NAME": "db", "TEST": {"NAME": "test"},
        }}
        INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
        USE_TZ = True
        """,
    "pytest.ini": """
        [pytest]
        pythonpath = .
        """,
    "test_more.py": """
        import os
        import pytest

        @pytest.mark.django_db
        def test_database_of_its_own():
            from django.db import connection
            from django.contrib.auth.models import User
            User.objects.create(username="a")
            worker = os.environ.get("PYTEST_XDIST_WORKER", "")
            assert worker in str(connection.settings_dict["NAME"])
        """,
}


def more(body: str) -> dict[str, str]:
    return {"test_more.py": body}


BDD: Final = {
    "it.feature": """
        Feature: It
            Scenario: It works
                Given a thing
                Then it works
        """,
    "test_more.py": """
        from pytest_bdd import given, scenarios, then

        scenarios("it.feature")

        @given("a thing")
        def a_thing():
            pass

        @then("it works")
        def it_works():
            pass
        """,
}

EXCLUSIVE: Final = {
    "tests/resources/exclusive_tests.txt": "test_mix.py::test_fails\n",
    "conftest.py": """
        from xdist_scheduling_exclusive import ExclusiveLoadScopeScheduling

        def pytest_xdist_make_scheduler(config, log):
            return ExclusiveLoadScopeScheduling(config, log)
        """,
}

PLUGINS: Final[dict[str, tuple[str, dict[str, str], str]]] = {
    "allure-pytest==2.16.2": ("--alluredir=results", {}, COUNTS),
    "anyio==4.16.0": (
        "",
        more("import pytest\n@pytest.mark.anyio\nasync def test_it():\n    pass\n"),
        COUNTS_MORE,
    ),
    "hypothesis==6.170.15": (
        "",
        more(
            "from hypothesis import given, strategies\n"
            "@given(strategies.integers())\ndef test_it(number):\n    pass\n"
        ),
        COUNTS_MORE,
    ),
    "pytest-asyncio==1.5.0": (
        "",
        more("import pytest\n@pytest.mark.asyncio\nasync def test_it():\n    pass\n"),
        COUNTS_MORE,
    ),
    "pytest-bdd==9.0.1": ("", BDD, COUNTS_MORE),
    "pytest-benchmark==5.3.1": (
        "",
        more("def test_it(benchmark):\n    benchmark(int)\n"),
        COUNTS_MORE,
    ),
    "pytest-check==3.0.3": (
        "",
        more("def test_it(check):\n    check.equal(1, 1)\n"),
        COUNTS_MORE,
    ),
    "pytest-django==4.14.0 django==5.2.19": ("--ds=settings", DJANGO, COUNTS_MORE),
    "pytest-instafail==0.5.0": ("--instafail", {}, COUNTS),
    "pytest-mock==3.17.0": (
        "",
        more("def test_it(mocker):\n    mocker.patch('os.getcwd')\n"),
        COUNTS_MORE,
    ),
    "pytest-order==1.5.0": ("", {}, COUNTS),
    "pytest-progress==1.4.0": ("", {}, COUNTS),
    "pytest-random-order==1.2.0": ("--random-order", {}, COUNTS),
    "pytest-randomly==5.1.0": ("", {}, COUNTS),
    "pytest-repeat==0.9.4": (
        "--count=2",
        {},
        "2 failed, 12 passed, 2 skipped, 2 xfailed, 2 errors",
    ),
    "pytest-reportlog==1.0.0": ("--report-log=log", {}, COUNTS),
    "pytest-retry==1.7.0": (
        "--retries=1",
        {},
        "1 failed, 6 passed, 1 skipped, 1 xfailed, 1 error, 1 retried",
    ),
    "pytest-shared-session-scope==0.5.1": ("", {}, COUNTS),
    "pytest-smoke==0.11.0": (
        "--smoke=2",
        {},
        "1 failed, 2 passed, 1 skipped, 4 deselected, 1 xfailed, 1 error",
    ),
    "pytest-split==0.11.0": ("--splits=1 --group=1", {}, COUNTS),
    "pytest-subtests==0.15.0": ("", {}, COUNTS),
    "pytest-sugar==1.1.1": ("", {}, COUNTS),
    "pytest-timeout==2.4.0": ("--timeout=60", {}, COUNTS),
    "pytest-unused-fixtures==0.3.1": ("", {}, COUNTS),
    "syrupy==7.0.2": (
        "--snapshot-update",
        more("def test_it(snapshot):\n    assert {'a': 1} == snapshot\n"),
        COUNTS_MORE,
    ),
    "xdist-scheduling-exclusive==1.2.0": ("", EXCLUSIVE, COUNTS),
}
"""Requirements -> arguments, files beside the suite, and what the last line says."""

FLAKY: Final = textwrap.dedent("""
    import os, pathlib

    def test_flaky():
        tries = pathlib.Path("tries")
        count = len(tries.read_text()) if tries.exists() else 0
        tries.write_text("x" * (count + 1))
        assert count == 2

    def test_crashes_once():
        seen = pathlib.Path("seen")
        if not seen.exists():
            seen.touch()
            os._exit(3)
    """)
