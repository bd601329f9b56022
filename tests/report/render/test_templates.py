import pytest
from jinja2 import UndefinedError

from bench.report.render.escape import escape_latex, escape_markdown
from bench.report.render.templates import HTML, LATEX, MARKDOWN, TEMPLATES, Latex, Markdown

HOSTILE = r"""<b>&"' | [a](b) `c` *d* $e$ \input{f} % # _g_ ~ ^ {h}"""
AS_HTML = r"&lt;b&gt;&amp;&#34;&#39; | [a](b) `c` *d* $e$ \input{f} % # _g_ ~ ^ {h}"
AS_MARKDOWN, AS_LATEX = escape_markdown(HOSTILE), escape_latex(HOSTILE)


@pytest.mark.parametrize(
    "source",
    [
        "{{ text }}",
        "{% if text %}{{ text }}{% endif %}",
        "{% for each in [text] %}{{ each }}{% endfor %}",
        "{{ text ~ '' }}",
        "{{ text|string }}",
        "{{ [text]|join }}",
        "{% with own = text %}{{ own }}{% endwith %}",
    ],
)
def test_no_template_can_forget_to_escape(source):
    assert HTML.from_string(source).render(text=HOSTILE) == AS_HTML
    assert MARKDOWN.from_string(source).render(text=HOSTILE) == AS_MARKDOWN
    in_latex = source.replace("{{", "<<").replace("}}", ">>").replace("{%", "<%").replace("%}", "%>")
    assert LATEX.from_string(in_latex).render(text=HOSTILE) == AS_LATEX


def test_only_what_is_marked_for_the_format_is_markup():
    text = "*{x}*"
    assert MARKDOWN.from_string("{{ text }}").render(text=Markdown(text)) == text
    assert LATEX.from_string("<< text >>").render(text=Latex(text)) == text
    assert MARKDOWN.from_string("{{ text }}").render(text=Latex(text)) == escape_markdown(text)
    assert LATEX.from_string("<< text >>").render(text=Markdown(text)) == escape_latex(text)


def test_a_macro_is_escaped_and_not_trusted():
    source = "{% macro bold(text) %}**{{ text }}**{% endmacro %}{{ bold('x') }}"
    assert MARKDOWN.from_string(source).render() == "\\*\\*x\\*\\*"


def test_a_name_that_nobody_passes_is_an_error():
    for environment, source in ((HTML, "{{ x }}"), (MARKDOWN, "{{ x }}"), (LATEX, "<< x >>")):
        with pytest.raises(UndefinedError, match=r"^'x' is undefined$"):
            environment.from_string(source).render()


@pytest.mark.parametrize("name", ["a}b", "a b", "", "\\input", "a)", "a\n"])
def test_a_file_name_is_not_escaped_and_has_nothing_to_escape(name):
    for environment, source in ((MARKDOWN, "{{ name|file_name }}"), (LATEX, "<< name|file_name >>")):
        assert environment.from_string(source).render(name="traces/_a-b_1.2") == "traces/_a-b_1.2"
        with pytest.raises(ValueError, match="is no name that the report gives to a file"):
            environment.from_string(source).render(name=name)


def test_every_template_compiles_and_says_nothing_unescaped():
    for path in TEMPLATES.iterdir():
        environment = {".html": HTML, ".md": MARKDOWN, ".tex": LATEX}[path.suffix]
        environment.get_template(path.name)
        assert "safe" not in path.read_text().split("|"), path
