"""What is written into a JUnit file beside what pytest writes."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from remotest.reporting.junit import add_failure


def test_a_failure_of_a_whole_environment() -> None:
    suite = ET.fromstring('<testsuite errors="1" tests="4" name="x" />')

    add_failure(suite, "the host is gone\nsince long")

    assert ET.tostring(suite, encoding="unicode") == (
        '<testsuite errors="2" tests="5" name="x">'
        '<testcase classname="remotest" name="environment" time="0">'
        '<error message="the host is gone">the host is gone\nsince long</error>'
        "</testcase></testsuite>"
    )
