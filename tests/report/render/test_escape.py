from bench.report.render.escape import escape_latex, escape_markdown

HOSTILE = (
    "<script>alert(1)</script> \\input{/etc/passwd} $x^2$ a_b _c_ [l](javascript:x) ![i](u) `c` | 50% & #1 ~ {} -- ''"
)


def test_markdown_is_inert():
    assert escape_markdown(HOSTILE) == (
        "&lt;script&gt;alert(1)&lt;/script&gt; \\\\input{/etc/passwd} \\$x^2\\$ a_b \\_c\\_ \\[l\\](javascript:x) "
        "!\\[i\\](u) \\`c\\` \\| 50% &amp; \\#1 \\~ {} -- ''"
    )


def test_latex_is_inert():
    assert escape_latex(HOSTILE) == (
        "\\textless{}script\\textgreater{}alert(1)\\textless{}/script\\textgreater{} "
        "\\textbackslash{}input\\{/etc/passwd\\} \\$x\\textasciicircum{}2\\$ a\\_b \\_c\\_ {[}l{]}(javascript:x) "
        "!{[}i{]}(u) \\textasciigrave{}c\\textasciigrave{} \\textbar{} 50\\% \\& \\#1 \\textasciitilde{} \\{\\} "
        "-{}- '{}'"
    )
    assert escape_latex("中*—…") == "{[}U+4E2D{]}{*}---\\ldots{}"
