"""Which changes of a configuration ask for less consent than before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncengine.model.consent_rules import ConsentRules
from syncengine.planning.loosening import dropped_conditions, loosening

CONDITIONS = {
    "the same": ("opted_in", "opted_in -- yes", ()),
    "gone": ("opted_in", None, ("opted_in",)),
    "one of two gone": ("country = 'DE' AND opted_in", "country = 'DE'", ("opted_in",)),
    "only the other one widened": ("country = 'DE' AND opted_in", "opted_in AND country IN ('DE', 'AT')", ()),
    "written in another way": ("opted_in", "opted_in IS TRUE", ("opted_in",)),
    "made an alternative": ("opted_in AND a", "opted_in OR a", ("opted_in",)),
    "in parentheses": ("(opted_in) AND (a = 1)", "((a = 1 AND opted_in))", ()),
    "a range is one condition": ("n BETWEEN 1 AND 2 AND consent", "consent AND n BETWEEN 1 AND 3", ()),
    "an AND inside": ("NOT (a AND unsubscribed)", "NOT (unsubscribed AND b)", ("unsubscribed",)),
    "not about consent": ("country = 'DE'", None, ()),
    "only a text": ("channel = 'newsletter'", None, ()),
    "first one": (None, "opted_in", ()),
}
RULES = ConsentRules(table="crm.people", where="opted_in", opted_out="unsubscribed", opt_outs={"dnd": True})
TIGHTENED = {
    "nothing": RULES,
    "a further condition": replace(RULES, where="opted_in AND country = 'DE'"),
    "a further opt-out": replace(RULES, opt_outs={"dnd": True, "newsletter": False}),
}
LOOSENED = {
    "opted_out removed": (replace(RULES, opted_out=None), "opted_out was unsubscribed and is now not set"),
    "another column": (replace(RULES, opted_out="x"), "opted_out was unsubscribed and is now x"),
    "where removed": (replace(RULES, where=None), "opted_in is not asked for any more"),
    "vendor's opt-out dropped": (replace(RULES, opt_outs={}), "dnd is no opt-out any more that is kept at the vendor"),
    "another value": (replace(RULES, opt_outs={"dnd": "no"}), "another value of dnd means an opt-out at the vendor"),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_conditions_about_consent_that_are_dropped(name: str) -> None:
    before, now, dropped = CONDITIONS[name]
    assert dropped_conditions([before], [now]) == dropped


@pytest.mark.parametrize("name", TIGHTENED)
def test_tightening_is_no_loosening(name: str) -> None:
    found = loosening(TIGHTENED[name], RULES)
    assert (found.told, found.asks_otherwise) == ((), ())


@pytest.mark.parametrize("name", LOOSENED)
def test_loosening_is_named(name: str) -> None:
    rules, told = LOOSENED[name]
    assert loosening(rules, RULES).told == (told,)


def test_a_condition_may_move_from_the_query_to_where() -> None:
    before = ConsentRules(query="SELECT * FROM crm.people WHERE vip AND opted_in")
    now = ConsentRules(query="SELECT * FROM crm.people WHERE vip", where="opted_in")
    found = loosening(now, before)
    assert (found.told, found.selects_otherwise) == ((), True)
    assert loosening(replace(now, where=None), before).told == ("opted_in is not asked for any more",)
