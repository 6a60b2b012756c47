import pytest

from serve_app.transcript.languages import NAMES, code_of, name_of


@pytest.mark.parametrize(
    ("named", "code"),
    [("en", "en"), ("EN", "en"), ("en-US", "en"), ("pt_BR", "pt"), (" German ", "de"), ("x", "x")],
)
def test_a_language_is_known_by_tag_and_by_name(named: str, code: str) -> None:
    assert code_of(named) == code


def test_every_name_leads_back_to_its_code() -> None:
    assert len(NAMES) == 25
    assert [code_of(name_of(code)) for code in NAMES] == list(NAMES)
