import pytest

import lib.claims
from lib.claims import RECORD, ClaimError, Claims, glue


@pytest.fixture
def shown(monkeypatch):
    """What a notebook would be given to show: (data, metadata) pairs."""
    calls = []
    monkeypatch.setattr(lib.claims, "display", lambda data, raw, metadata: calls.append((data, metadata)))
    return calls


def claims(holds=True, **options):
    table = Claims("1 A chapter", **options)
    table.add("Water is <wet>.", source="Somebody", theirs="wet", ours="-1.5 & wet", verdict="reproduced", holds=holds)
    return table


def test_table_shows_every_field_escaped_and_keeps_the_record(shown):
    claims().table()
    data, metadata = shown[0]
    assert "Water is &lt;wet&gt;." in data["text/html"]
    assert "−1.5 &amp; wet" in data["text/html"]
    assert metadata[RECORD]["claims"][0]["verdict"] == "reproduced"
    assert "reproduced: Water is <wet>." in data["text/plain"]


def test_a_condition_that_fails_stops_the_chapter_and_names_the_claim():
    with pytest.raises(ClaimError, match="Water is <wet>"):
        claims(holds=False).table()


def test_on_stand_in_data_conditions_are_not_enforced_and_the_table_says_so(shown):
    claims(holds=False, sample=True).table()
    assert "stand-in data, not tested" in shown[0][0]["text/html"]


def test_unknown_verdicts_and_differences_without_reason_are_refused():
    with pytest.raises(ValueError, match="verdict: expected one of"):
        claims().add("x", ours="1", verdict="true", holds=True)
    with pytest.raises(ValueError, match="why: a claim that differs must say why"):
        claims().add("x", ours="1", verdict="differs", holds=True)


def test_glue_writes_the_record_that_sphinx_reads(shown):
    glue("correlation", f"{-0.5:.1f} to 3-4")
    data, metadata = shown[0]
    assert data == {"application/papermill.record/text/plain": "−0.5 to 3-4"}
    assert metadata["scrapbook"]["name"] == "correlation"
