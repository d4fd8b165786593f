"""Dates as people write them: every day of some years in each order, and what is no day."""

from __future__ import annotations

import datetime

import pytest

from crnn_lib.language import date_in_order, parse_constraint, strings

ORDERS = {
    "DD/MM/YYYY": "%d/%m/%Y",
    "MM/DD/YYYY": "%m/%d/%Y",
    "YYYY-MM-DD": "%Y-%m-%d",
    "DD.MM.YY": "%d.%m.%y",
    "YY-DD-MM": "%y-%d-%m",
}
DAYS = [datetime.date(1999, 12, 1) + datetime.timedelta(k) for k in range(500)]
SIGNS = "0123456789/-."


@pytest.mark.parametrize("order", ORDERS)
def test_every_day_is_written_with_and_without_separators(order):
    dates = date_in_order(SIGNS, order)
    sign = next(c for c in order if c in "/-.")
    for day in DAYS:
        text = day.strftime(ORDERS[order])
        assert dates.accepts(text) and dates.accepts(text.replace(sign, ""))
        where = text.index(sign)
        assert not dates.accepts(text[:where] + text[where + 1 :])  # one of two is no order
        assert not dates.accepts(text[::-1].replace(sign, "", 1)[::-1])
        assert not dates.accepts(text + "0") and not dates.accepts(text[:-1])


def test_one_year_has_as_many_texts_as_days():
    for year, days in ((2023, 365), (2024, 366), (1900, 365), (2000, 366)):
        dates = date_in_order("0123456789", "DDMMYYYY", first_year=year, last_year=year)
        found = set(strings(dates, 8))
        assert len(found) == days
        for text in found:
            datetime.datetime.strptime(text, "%d%m%Y")


@pytest.mark.parametrize(
    "text", ["31/04/2024", "29/02/2023", "00/01/2024", "01/13/2024", "1/1/2024"]
)
def test_what_is_no_day_is_no_date(text):
    assert not date_in_order(SIGNS, "DD/MM/YYYY").accepts(text)


def test_short_forms():
    dates = date_in_order(SIGNS, "D/M/YY", first_year=1990, last_year=2030)
    accepted = [
        dates.accepts(text) for text in ("1/4/26", "31/12/99", "01/4/26", "29/2/00", "1/4/45")
    ]
    assert accepted == [True, True, False, True, False]
    # 29 February of a year that could be 1900 or 2000
    assert date_in_order(SIGNS, "DD/MM/YY").accepts("29/02/00")
    assert not date_in_order(SIGNS, "DD/MM/YY", last_year=1999).accepts("29/02/00")


@pytest.mark.parametrize(
    "constraint, yes, no",
    [
        ("date", "2024-02-29", "29/02/2024"),
        ("date:1990-1999", "19991231", "20000101"),
        ("date:DD/MM/YYYY", "29/02/2024", "02/29/2024"),
        ("date:MM/DD/YYYY:2010-2020", "11/20/2019", "11/20/2021"),
        ("date:YYYY-MM-DD", "20191120", "11202019"),
        ("date:DD/MM/YYYY+length:8", "20112019", "20/11/2019"),
    ],
)
def test_dates_on_a_command_line(constraint, yes, no):
    dates = parse_constraint(constraint, SIGNS)
    assert dates.accepts(yes) and not dates.accepts(no)


def test_without_the_sign_only_digits_are_dates():
    dates = parse_constraint("date:DD/MM/YYYY", "0123456789")
    assert dates.accepts("29022024")


@pytest.mark.parametrize(
    "order", ["DD/MM", "DD/DD/YYYY", "x", "/DD/MM/YYYY", "DD/MM/YYYY/", "DDMMY"]
)
def test_what_is_no_order_is_refused_with_examples(order):
    with pytest.raises(ValueError, match="no order of a date.*DD/MM/YYYY"):
        parse_constraint(f"date:{order}", SIGNS)


def test_years_and_digits_are_checked():
    with pytest.raises(ValueError, match="got 2030 to 2020"):
        parse_constraint("date:DD/MM/YYYY:2030-2020", SIGNS)
    for wrong in (True, 1990.0, "1990"):
        with pytest.raises(ValueError, match="Years are whole numbers from 1 to 9999"):
            date_in_order(SIGNS, first_year=wrong)
    with pytest.raises(TypeError, match="order is a str, such as DD/MM/YYYY, .*; got 3"):
        date_in_order(SIGNS, 3)
    with pytest.raises(ValueError, match="'9' is not in"):
        date_in_order("012345678")
