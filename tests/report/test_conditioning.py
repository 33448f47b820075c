"""The tables of conditional generation: limits of levels, and no table without a model."""

from etude.report.conditioning import attribute_table, describe_level, request_table


def test_a_level_is_described_by_its_limits() -> None:
    row = {"value": "lowest", "unit": "BPM", "starts": None, "ends": 3.74159}
    assert describe_level(row) == "below 3.742 BPM"
    assert describe_level({**row, "starts": 1.5}) == "1.5 to 3.742 BPM"
    assert describe_level({**row, "starts": 1.5, "ends": None, "unit": "0 to 1"}) == "1.5 or more"
    assert describe_level({**row, "ends": None}) == "any"
    assert describe_level({"value": "D major"}) == "D major"


def test_without_a_model_there_is_no_table() -> None:
    assert attribute_table({}) is None and request_table({}) is None
