"""Shown values: writes the value of a spreadsheet's cell as text, as people see it there."""

import datetime
import re
from typing import Any

QUOTED = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')  # parts of a number format that are no digits
DIGITS = 11  # a number without a format of its own is shown with so many digits
WHOLE = 1e15  # larger numbers have no exact last digit in a spreadsheet


def shown(value: Any, number_format: str = "General") -> str:
    """The text of a cell. Dates are written as 2024-05-31, so that no one confuses day and month.

    Args:
        value: the value, as openpyxl reads it.
        number_format: how the spreadsheet shows numbers, such as "0.00" or "00000".

    >>> shown(5.0), shown(0.1 + 0.2), shown(2139, "00000"), shown(0.125, "0.0%"), shown(1234.5, "#,##0.00"), shown(True)
    ('5', '0.3', '02139', '12.5%', '1234.50', 'TRUE')
    >>> import datetime
    >>> shown(datetime.datetime(2024, 5, 31)), shown(datetime.datetime(2024, 5, 31, 8, 30)), shown(datetime.time(8, 30))
    ('2024-05-31', '2024-05-31 08:30', '08:30')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return _number(value, QUOTED.sub("", (number_format or "General").split(";")[0]))
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else _time(value.isoformat(" "))
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, datetime.time):
        return _time(value.isoformat())
    return str(value).strip()


def _time(text: str) -> str:
    return text.removesuffix(":00")


def _number(value: int | float, form: str) -> str:
    """A number in a format, without the separators of thousands."""
    share = "%" in form
    value = value * 100 if share else value
    before, _, behind = form.partition(".")
    places, width = behind.count("0"), before.count("0")
    if "0" not in form or "E" in form:  # such as "General" or "@"
        whole = value == round(value) and abs(value) < WHOLE
        return str(round(value)) if whole else f"{value:.{DIGITS}g}"
    text = f"{abs(value):.{places}f}"
    whole_part, dot, rest = text.partition(".")
    sign = "-" if value < 0 and float(text) else ""
    return sign + whole_part.zfill(width) + dot + rest + ("%" if share else "")
