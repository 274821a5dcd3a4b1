import csv
import io

from hypothesis import given
from hypothesis import strategies as st

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


def test_headers_and_texts_are_broken_between_words_where_a_table_is_too_wide():
    heads = [Column("run"), Column("validation MAE", ".3f", "°C"), Column("settings", is_left=True)]
    table = Table(heads, [["dense", 2.5, "units=4; epochs=2; a/path/without-a-break"]])
    assert table.as_text(41).splitlines() == [
        "       validation",
        "run        MAE °C  settings",
        "-----  ----------  --------",
        "dense       2.500  units=4; epochs=2;",
        "                   a/path/without-a-break",
    ]


def test_a_long_name_stands_above_its_row_where_it_would_not_fit_beside_it():
    rows = [["runs/20261127-094500/best.keras", -0.3914, (-0.47, -0.3)], ["b", 0.1, None]]
    assert Table([Column("network"), *ERRORS], rows).as_text(50).splitlines() == [
        "network                   MAE °C  95 % interval °C",
        "------------------------  ------  ----------------",
        "runs/20261127-094500/best.keras",
        "                          -0.391  -0.470 .. -0.300",
        "b                         +0.100                 -",
    ]


def test_columns_come_closer_before_a_table_is_divided():
    assert Table(columns("ab", "cd", "ef"), [["1", "2", "3"]]).as_text(8).splitlines() == [
        "ab cd ef",
        "-- -- --",
        "1   2  3",
    ]


def test_a_table_that_is_still_too_wide_is_divided_and_each_part_begins_with_the_first_column():
    parts = Table(columns("run", "first", "second", "third"), [["a", "b", "c", "d"]]).as_text(18).split("\n\n")
    assert [part.splitlines()[0].split() for part in parts] == [["run", "first", "second"], ["run", "third"]]
    assert [part.splitlines()[2].split() for part in parts] == [["a", "b", "c"], ["a", "d"]]


def test_columns_are_picked_by_name_with_their_form():
    assert TABLE.pick("run", "skill").as_text().splitlines()[2] == "a|b  12.5%"


WORDS = st.text("ab", min_size=1, max_size=9)
CELLS = st.lists(WORDS, max_size=8).map(" ".join)


@given(st.integers(1, 7).flatmap(lambda count: st.lists(st.lists(CELLS, min_size=count, max_size=count), min_size=1)))
def test_no_line_is_wider_than_asked_for_and_no_word_is_lost(rows):
    table = Table([Column("name", is_left=True), *[Column("much", is_left=True)] * (len(rows[0]) - 1)], rows)
    text = table.as_text(30)
    assert max(map(len, text.splitlines())) <= 30
    for word in {word for row in rows for cell in row for word in cell.split()}:
        assert word in text.split()


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
