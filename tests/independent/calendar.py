"""Prints where calendar windows begin by Python's zoneinfo and the tzdata package, for tests/library/calendar.rs.

A line for each time zone, unit and year: zone, unit, year, the first start in Unix seconds, and the lengths of the
windows that follow, in seconds, as runs: LENGTHxCOUNT.
"""

import itertools
import os
from datetime import date, datetime, timedelta

os.environ["PYTHONTZPATH"] = ""  # only the package's data, not the machine's

from zoneinfo import ZoneInfo, available_timezones, reset_tzpath  # noqa: E402

reset_tzpath(to=[])

YEARS = [1973, 1995, 2011, 2026, 2060]


def starts(year, unit):
    first, last = date(year, 1, 1), date(year + 1, 1, 1)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [day for day in days if unit == "day" or (unit == "week" and day.weekday() == 0) or (unit == "month" and day.day == 1)]


for name in sorted(available_timezones()):
    zone = ZoneInfo(name)
    for year, unit in itertools.product(YEARS, ["day", "week", "month"]):
        instants = [int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) for day in starts(year, unit)]
        instants = sorted(set(instants))  # a day that was skipped has no length
        lengths = [end - start for start, end in zip(instants, instants[1:])]
        runs = [f"{length}x{len(list(run))}" for length, run in itertools.groupby(lengths)]
        print(name, unit, year, instants[0], *runs)
