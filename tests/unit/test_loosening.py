"""Changes of a configuration that ask for less consent than before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncengine.model.consent_rules import ConsentRules
from syncengine.planning.loosening import dropped_words, find_loosening

CONDITIONS = {
    "the same": ("opted_in", "opted_in -- yes", ()),
    "gone": ("opted_in", None, ("opted_in",)),
    "one of two gone": ("country = 'DE' AND opted_in", "country = 'DE'", ("opted_in",)),
    "only the other one widened": (
        "country = 'DE' AND opted_in",
        "opted_in AND country IN ('DE', 'AT')",
        (),
    ),
    "spelled out": ("opted_in", "(p.id > 1) AND opted_in IS TRUE", ()),
    "compared with true": ("p.opted_in = TRUE", "p.opted_in", ()),
    "written in another way": ("opted_in", "coalesce(opted_in, true)", ("opted_in",)),
    "the other way round": ("opted_in IS NOT FALSE", "opted_in", ("opted_in",)),
    "an alternative more": ("opted_in", "(opted_in OR vip)", ("opted_in",)),
    "an alternative less": ("opted_in OR vip", "opted_in", ()),
    "both alternatives": ("opted_in OR vip", "vip AND opted_in", ()),
    "alternatives turned round": (
        "a AND (opted_in OR vip)",
        "(vip OR opted_in) AND a",
        (),
    ),
    "inside a CASE": (
        "opted_in",
        "CASE WHEN a AND opted_in AND b THEN c ELSE d END",
        ("opted_in",),
    ),
    "parentheses closed early": ("opted_in", "a) OR (b AND opted_in", ("opted_in",)),
    "made an alternative": ("opted_in AND a", "opted_in OR a", ("opted_in",)),
    "in parentheses": ("(opted_in) AND (a = 1)", "((a = 1 AND opted_in))", ()),
    "a range is one condition": (
        "n BETWEEN 1 AND 2 AND consent",
        "consent AND n BETWEEN 1 AND 3",
        (),
    ),
    "an AND inside": (
        "NOT (a AND unsubscribed)",
        "NOT (unsubscribed AND b)",
        ("unsubscribed",),
    ),
    "not about consent": ("country = 'DE'", None, ()),
    "only a text": ("channel = 'newsletter'", None, ()),
    "first one": (None, "opted_in", ()),
}
RULES = ConsentRules(
    table="crm.people",
    where="opted_in",
    opted_out="unsubscribed",
    opt_outs={"dnd": True},
)
TIGHTENED = {
    "nothing": RULES,
    "a further condition": replace(RULES, where="opted_in AND country = 'DE'"),
    "a further opt-out": replace(RULES, opt_outs={"dnd": True, "newsletter": False}),
}
LOOSENED = {
    "opted_out removed": (
        replace(RULES, opted_out=None),
        'opted_out named the column "unsubscribed" and now names none',
    ),
    "another column": (
        replace(RULES, opted_out="x"),
        'opted_out named the column "unsubscribed" and now names "x"',
    ),
    "where removed": (replace(RULES, where=None), "opted_in is no longer asked for"),
    "vendor's opt-out dropped": (
        replace(RULES, opt_outs={}),
        "dnd is no longer an opt-out that is kept at the vendor",
    ),
    "another value": (
        replace(RULES, opt_outs={"dnd": "no"}),
        "another value of dnd means an opt-out at the vendor",
    ),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_conditions_about_consent_that_are_dropped(name: str) -> None:
    before, now, dropped = CONDITIONS[name]
    assert dropped_words(ConsentRules(where=now), ConsentRules(where=before)) == dropped


QUERIES = {
    "a column more": (
        "SELECT id FROM p WHERE opted_in",
        "SELECT id, name FROM p WHERE opted_in",
        (),
    ),
    "in another order": (
        "SELECT * FROM p WHERE opted_in",
        "SELECT * FROM p WHERE opted_in ORDER BY a",
        (),
    ),
    "a condition more": (
        "SELECT * FROM p WHERE opted_in",
        "SELECT * FROM p WHERE a AND opted_in",
        (),
    ),
    "a condition gone": (
        "SELECT * FROM p WHERE a AND opted_in",
        "SELECT * FROM p WHERE a",
        ("opted_in",),
    ),
    "read from elsewhere": (
        "SELECT * FROM p WHERE opted_in",
        "SELECT * FROM (SELECT *, true AS opted_in FROM q) AS p WHERE opted_in",
        ("opted_in",),
    ),
    "another select added": (
        "SELECT * FROM p WHERE opted_in",
        "SELECT * FROM p UNION ALL SELECT * FROM p WHERE opted_in",
        ("opted_in",),
    ),
    "only joined": (
        "SELECT * FROM p WHERE opted_in",
        "SELECT p.* FROM p LEFT JOIN q ON q.id = p.id AND opted_in",
        ("opted_in",),
    ),
    "only ordered by": (
        "SELECT * FROM p WHERE opted_in",
        "SELECT * FROM p WHERE a ORDER BY b AND opted_in",
        ("opted_in",),
    ),
    "an expression": (
        "SELECT id, NOT opted_in AS no FROM p",
        "SELECT id, NOT coalesce(opted_in, true) AS no FROM p",
        ("opted_in", "no"),
    ),
}


@pytest.mark.parametrize("name", QUERIES)
def test_queries_that_ask_for_less_consent(name: str) -> None:
    before, now, dropped = QUERIES[name]
    rules = ConsentRules(query=before, opted_out="no")
    assert dropped_words(replace(rules, query=now), rules) == dropped


def test_the_column_of_an_opt_out_is_about_consent_whatever_its_name() -> None:
    rules = ConsentRules(where="x IS NOT TRUE", opted_out="x")
    assert dropped_words(replace(rules, where="x IS NULL"), rules) == ("x",)
    assert not dropped_words(ConsentRules(where="y"), ConsentRules(where="x"))


def test_a_view_named_after_consent_is_a_condition() -> None:
    rules = ConsentRules(table="crm.opted_in_people")
    assert find_loosening(ConsentRules(table="crm.people"), rules).loosened == (
        "opted_in_people is no longer asked for",
    )
    assert find_loosening(rules, ConsentRules(table="crm.people")).loosened == ()


@pytest.mark.parametrize("name", TIGHTENED)
def test_tightening_is_no_loosening(name: str) -> None:
    assert find_loosening(TIGHTENED[name], RULES).loosened == ()


@pytest.mark.parametrize("name", LOOSENED)
def test_loosening_is_named(name: str) -> None:
    rules, told = LOOSENED[name]
    assert find_loosening(rules, RULES).loosened == (told,)


def test_a_condition_may_move_from_the_query_to_where() -> None:
    before = ConsentRules(query="SELECT * FROM crm.people WHERE vip AND opted_in")
    now = ConsentRules(query="SELECT * FROM crm.people WHERE vip", where="opted_in")
    found = find_loosening(now, before)
    assert (found.loosened, found.selects_otherwise) == ((), True)
    assert find_loosening(replace(now, where=None), before).loosened == (
        "opted_in is no longer asked for",
    )
