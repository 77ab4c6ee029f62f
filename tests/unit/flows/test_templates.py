"""Templates: strict, sandboxed, and not for HTML."""

import pytest

from flows.templates import TemplateProblem, Templates


def test_values_are_rendered_as_they_are() -> None:
    templates = Templates({"in.txt_template": b"a={{ a }} <{{ b }}>\n"}, "initial")

    assert templates.render({"a": 1.5, "b": "x & 'y'"}) == {"in.txt": b"a=1.5 <x & 'y'>\n"}


def test_an_undefined_name_is_an_error_that_names_file_and_values() -> None:
    with pytest.raises(TemplateProblem, match=r"initial/in.txt_template: 'temp' is undefined; the values are: a, b"):
        Templates({"in.txt_template": b"{{ temp }}"}, "initial").render({"b": 1, "a": 2})


def test_a_syntax_error_is_found_before_anything_is_rendered() -> None:
    with pytest.raises(TemplateProblem, match=r"in\.txt_template, line 2"):
        Templates({"in.txt_template": b"ok\n{% if %}"}, "initial")


@pytest.mark.parametrize(
    "source",
    [b"{{ 'a'|dictsort }}", b"{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}", b"{{ 1 / a }}"],
)
def test_whatever_goes_wrong_in_a_template_is_told_with_its_file(source: bytes) -> None:
    with pytest.raises(TemplateProblem, match=r"^initial/in\.txt_template can't be rendered: \S"):
        Templates({"in.txt_template": source}, "initial").render({"a": 0})


@pytest.mark.parametrize("source", [b"a\r\nb\r\n", b"a\nb", b"a\rb\r", b"a\r\nb", b""])
def test_lines_end_as_they_do_in_the_template(source: bytes) -> None:
    assert Templates({"in.txt_template": source}, "initial").render({}) == {"in.txt": source}


def test_a_template_can_not_reach_python() -> None:
    with pytest.raises(TemplateProblem):
        Templates({"x_template": b"{{ a.__class__.__mro__ }}"}, "initial").render({"a": 1})
