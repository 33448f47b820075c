"""The tables of harmonies: no table without a harmonised melody."""

from etude.report.harmonies import Reports, harmony_table, rule_table


def test_a_model_without_a_harmonised_melody_is_left_out() -> None:
    none: Reports = {}
    empty: Reports = {"deepbach": {"pieces": [], "metrics": {}, "rates": {}}}
    for reports in (none, empty):
        assert harmony_table(reports) is None and rule_table(reports) is None
