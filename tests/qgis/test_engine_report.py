"""The HTML pages: complete, closed, and safe with any text in them."""

from __future__ import annotations

from html.parser import HTMLParser

from qgis_plugin.engine import report


class Checker(HTMLParser):
    """Finds tags that do not match, and anything that would leave the page."""

    VOID = frozenset({"meta", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.problems: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag == "script" or any(name == "href" for name, _ in attrs):
            self.problems.append(tag)
        self.problems += [
            value for name, value in attrs if name == "src" and not value.startswith("data:image/png")
        ]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"/{tag}")


def _check(page: str) -> None:
    checker = Checker()
    checker.feed(page)
    assert not checker.problems
    assert not checker.open


EVIL = "<script>alert('x')</script>\"&"


def test_a_comparison_is_one_closed_page():
    result = {
        "pixels_equal": False,
        "psnr": 38.02,
        "metadata_diff": [{"field": "tags", "ours": EVIL, "theirs": {"a": 1}}],
        "bands": [{"band": 1, "psnr": 37.1, "valid_equal": True}],
        "warnings": [EVIL],
    }
    pictures = report.figures("Side by side", [report.Picture(EVIL, b"png")], "note")
    page = report.comparison_page((EVIL, "b.tif"), result, [pictures], is_agreeing=False)
    _check(page)
    assert "PSNR 38.02 dB, 1 differences in metadata." in page
    assert 'class="bad"' in page


def test_equal_scenes_are_said_to_be_equal():
    page = report.comparison_page(
        ("a", "b"), {"pixels_equal": True, "metadata_diff": []}, [], is_agreeing=True
    )
    _check(page)
    assert "Every pixel and every piece of metadata is equal." in page
    assert 'class="good"' in page


def test_validation_and_engine_pages_are_closed():
    page = report.validation_page("a.jp2", {"valid": False, "problems": [EVIL], "damaged_tiles": [3]})
    _check(page)
    assert "damaged" in page
    findings = [{"name": "torch", "status": "missing", "detail": EVIL, "advice": ""}]
    page = report.engine_page({"Program": "/x"}, {"healthy": False, "findings": findings})
    _check(page)
    assert "missing" in page


def test_what_nobody_demanded_is_neither_good_nor_bad():
    result = {"pixels_equal": False, "psnr": 38.02, "metadata_diff": []}
    page = report.comparison_page(("a", "b"), result, [], is_agreeing=None)
    assert '<p class="neutral"><b>PSNR 38.02 dB, metadata equal.' in page
    assert 'class="bad"' not in page
