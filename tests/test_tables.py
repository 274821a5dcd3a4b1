import csv
import io

from jenacast.tables import Cell, Column, Table, columns

ERRORS = columns("MAE", "95 % interval", form="+.3f", unit="°C")
TABLE = Table(
    [Column("run"), *ERRORS, Column("skill", ".1%"), Column("rate", "g")],
    [["a|b", -0.3914, (-0.47, -0.3), 0.125, 1e-05], ["<b>", None, None, None, 7]],
    caption="Errors",
)


def test_text_is_padded_and_numbers_are_aligned_to_the_right():
    assert TABLE.as_text().splitlines() == [
        "run  MAE °C  95 % interval °C  skill   rate",
        "---  ------  ----------------  -----  -----",
        "a|b  -0.391  -0.470 .. -0.300  12.5%  1e-05",
        "<b>       -                 -      -      7",
    ]


def test_texts_at_the_end_are_aligned_to_the_left_below_a_short_rule():
    columns = [Column("name"), Column("summary", is_left=True)]
    table = Table(columns, [["dense", "one layer of units"], ["gru", "cells"]])
    assert table.as_text() == "name   summary\n-----  -------\ndense  one layer of units\ngru    cells"


def test_a_bar_in_a_cell_does_not_end_it_in_markdown():
    heads, rule, first, _ = TABLE.as_markdown().splitlines()
    assert heads == "| run | MAE °C | 95 % interval °C | skill | rate |"
    assert rule == "| --- | --- | --- | --- | --- |"
    assert first == r"| a\|b | -0.391 | -0.470 .. -0.300 | 12.5% | 1e-05 |"


def test_csv_holds_the_values_with_full_precision():
    heads, first, second = csv.reader(io.StringIO(TABLE.as_csv()))
    assert heads == ["run", "MAE", "95 % interval", "skill", "rate"]
    assert first == ["a|b", "-0.3914", "(-0.47, -0.3)", "0.125", "1e-05"]
    assert second == ["<b>", "", "", "", "7"]


def test_cells_of_a_page_have_a_minus_sign_a_dash_and_what_they_are_sorted_by():
    assert TABLE.heads == ["run", "MAE (°C)", "95 % interval (°C)", "skill", "rate"]
    (name, mae, interval, skill, rate), (_, missing, *_) = TABLE.cells
    assert name == Cell("a|b", None, is_number=False)
    assert mae == Cell("−0.391", -0.3914, is_number=True)
    assert interval == Cell("−0.470 to −0.300", -0.47, is_number=True)
    assert skill == Cell("12.5 %", 0.125, is_number=True)
    assert rate.text == "1e-05"
    assert missing == Cell("–", None, is_number=True)


def test_a_table_is_sortable_where_it_has_rows_and_numbers():
    assert TABLE.is_sortable
    assert not Table(TABLE.columns, TABLE.rows[:1]).is_sortable
    assert not Table(columns("what", "which"), [["a", "b"], ["c", "d"]]).is_sortable
