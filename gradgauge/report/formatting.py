"""How quantities read: SI in, text out. The only place of the report that converts a unit."""

from __future__ import annotations

import math

MISSING = "—"
_TIME_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_BYTE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_RATE_SCALES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_RATES = {"byte/s": "B/s", "flop/s": "FLOP/s"}
_COUNT_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_PLAIN_BELOW = 1e5
_PLAIN_ABOVE = 1e-3
_MINUTE_S = 60.0


def quantity(value: float | None, unit: str) -> str:
    """Return `value` with its unit, scaled where the unit has scales; a dash where there is no value.

    >>> quantity(3.4e-6, "s"), quantity(4096, "byte"), quantity(2.314, "ratio"), quantity(0.5, "ulp")
    ('3.40 µs', '4.0 KiB', '2.31×', '0.5 ulp')
    """
    if value is None:
        return MISSING
    scaled = {
        "s": time,
        "byte": size,
        "bytes": size,
        "B": size,
        "ratio": ratio,
        "ulp": ulps,
        "": number,
        "1": number,
        "count": number,
    }
    if unit in _RATES:
        return rate(value, unit)
    return scaled[unit](value) if unit in scaled else f"{number(value)} {unit}"


def interval(low: float | None, high: float | None, unit: str) -> str:
    """Return a range in one unit, `1.10–1.25 ms`; nothing where an end is missing.

    >>> interval(0.0011, 0.00125, "s"), interval(0.4, 0.44, "ratio"), interval(None, 1.0, "s")
    ('1.10–1.25 ms', '0.40–0.44×', '')
    """
    if low is None or high is None:
        return ""
    if unit == "s":
        scale, symbol = _time_scale(max(abs(low), abs(high)))
        return f"{_digits(low / scale)}–{_digits(high / scale)} {symbol}"
    if unit == "ratio":
        return f"{ratio(low)[:-1]}–{ratio(high)}"
    if unit in _RATES:
        scale, symbol = _rate_scale(max(abs(low), abs(high)))
        return f"{_digits(low / scale)}–{_digits(high / scale)} {symbol}{_RATES[unit]}"
    return f"{quantity(low, unit)} – {quantity(high, unit)}"


def time(value_s: float) -> str:
    """Return seconds with three significant digits in the unit that fits.

    >>> time(0.0011749), time(9.999e-4), time(0.0), time(-2e-3)
    ('1.17 ms', '1.00 ms', '0 s', '-2.00 ms')
    """
    if value_s == 0:
        return "0 s"
    scale, symbol = _time_scale(abs(value_s))
    return f"{_digits(value_s / scale)} {symbol}"


def rate(value: float, unit: str) -> str:
    """Return a bandwidth or a rate of operations in decimal units, as data sheets have them.

    >>> rate(2.039e12, "byte/s"), rate(999.9e6, "byte/s"), rate(61.2e9, "flop/s"), rate(0, "byte/s")
    ('2.04 TB/s', '1.00 GB/s', '61.2 GFLOP/s', '0 B/s')
    """
    if value == 0:
        return f"0 {_RATES[unit]}"
    scale, symbol = _rate_scale(abs(value))
    return f"{_digits(value / scale)} {symbol}{_RATES[unit]}"


def percent(value: float) -> str:
    """Return a share of one in percent, with two significant digits below ten.

    >>> percent(0.633), percent(0.0423), percent(0.02), percent(1.104), percent(0), percent(0.00042)
    ('63 %', '4.2 %', '2 %', '110 %', '0 %', '0.042 %')
    """
    hundredths = 100 * value
    if abs(hundredths) >= _PLAIN_BELOW and math.isfinite(hundredths):
        return f"{_power_of_ten(hundredths)} %"
    return f"{hundredths:.0f} %" if abs(hundredths) >= 9.95 else f"{hundredths:.2g} %"


def duration(value_s: float) -> str:
    """Return a wall time for a reader: `12.3 s`, `2 min 5 s`.

    >>> duration(12.34), duration(125.2), duration(59.97)
    ('12.3 s', '2 min 5 s', '1 min 0 s')
    """
    if round(value_s, 1) < _MINUTE_S:
        return f"{value_s:.1f} s"
    minutes, seconds = divmod(round(value_s), round(_MINUTE_S))
    return f"{minutes:,} min {seconds} s"


def size(value_bytes: float) -> str:
    """Return bytes in binary units: whole below 1 KiB, one decimal above.

    >>> size(512), size(4096), size(1048575), size(0), size(4.5)
    ('512 B', '4.0 KiB', '1.0 MiB', '0 B', '4.5 B')
    """
    scaled, unit = value_bytes, 0
    while round(abs(scaled), 1) >= 1024 and unit < len(_BYTE_UNITS) - 1:
        scaled, unit = scaled / 1024, unit + 1
    if unit == 0:
        return f"{scaled:.3g} B" if scaled != int(scaled) else f"{int(scaled):,} B"
    shown = f"{scaled:,.1f}" if abs(scaled) < _PLAIN_BELOW else _power_of_ten(scaled)
    return f"{shown} {_BYTE_UNITS[unit]}"


def ratio(value: float) -> str:
    """Return a factor.

    >>> ratio(0.4249), ratio(0.04752), ratio(2.0), ratio(12.34), ratio(134.2)
    ('0.42×', '0.048×', '2.00×', '12.3×', '134×')
    """
    return f"{_digits(value)}×" if abs(value) >= 0.1 or value == 0 else f"{number(float(f'{value:.2g}'))}×"


def number(value: float) -> str:
    """Return a plain number: whole ones with separators, very large and very small ones with a power of ten.

    >>> number(1048576), number(0.5), number(3.6e10), number(5.5e-42), number(0), number(1.23456)
    ('1,048,576', '0.5', '3.6 × 10¹⁰', '5.5 × 10⁻⁴²', '0', '1.235')
    """
    if isinstance(value, int) or value.is_integer():
        if abs(value) < 1e9:
            return f"{int(value):,}"
        return _power_of_ten(float(value))
    if _PLAIN_ABOVE <= abs(value) < _PLAIN_BELOW:
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return _power_of_ten(value)


def ulps(value: float) -> str:
    """Return an error in units in the last place, of which three digits matter, and its size where it is tiny.

    >>> ulps(0.5), ulps(3), ulps(16_811_111), ulps(1234.5), ulps(5e-324)
    ('0.5 ulp', '3 ulp', '1.68 × 10⁷ ulp', '1,230 ulp', '< 0.001 ulp')
    """
    if 0 < value < _PLAIN_ABOVE:
        return f"< {_PLAIN_ABOVE} ulp"
    rounded = float(f"{value:.3g}")
    return f"{_power_of_ten(rounded) if abs(rounded) >= _PLAIN_BELOW else number(rounded)} ulp"


def cosine(value: float) -> str:
    """Return a cosine similarity: near 1, by how much it misses.

    >>> cosine(1.0), cosine(1 - 2**-52), cosine(-0.25)
    ('1', '1 − 2.2 × 10⁻¹⁶', '-0.25')
    """
    off = value - 1
    if off == 0 or abs(off) > _PLAIN_ABOVE:
        return number(value)
    return f"1 {'−' if off < 0 else '+'} {number(float(f'{abs(off):.1e}'))}"


def signed(value: float) -> str:
    """Return a plain number with a true minus sign, and the sign of a zero.

    >>> signed(-0.25), signed(0.0), signed(-0.0), signed(3.0)
    ('−0.25', '+0', '−0', '3')
    """
    if value == 0:
        return "−0" if math.copysign(1, value) < 0 else "+0"
    return f"{'−' if value < 0 else ''}{number(abs(value))}"


def compact(value: float) -> str:
    """Return a count short enough for an axis: a power of two as such, thousands otherwise.

    >>> compact(65536), compact(1000000), compact(300), compact(1500)
    ('2¹⁶', '1 M', '300', '1.5 k')
    """
    if value >= 1024 and float(value).is_integer() and int(value) & (int(value) - 1) == 0:
        return "2" + superscript(int(math.log2(value)))
    for scale, symbol in _COUNT_UNITS:
        if value >= scale:
            return f"{value / scale:.3g} {symbol}"
    return f"{value:.3g}"


def superscript(number: int) -> str:
    """Return a whole number as it stands beside what it is a note to.

    >>> superscript(12)
    '¹²'
    """
    return str(number).translate(_SUPERSCRIPT)


def plural(count: int, noun: str, many: str = "") -> str:
    """Return `1 record`, `2 records`.

    >>> plural(1, "record"), plural(1200, "record"), plural(2, "case fails", "cases fail")
    ('1 record', '1,200 records', '2 cases fail')
    """
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def shortened(text: str, most: int) -> str:
    """Return the text, its middle left out where it is longer than `most` characters.

    >>> shortened("where · eager", 20), shortened("a_very_long_name · compiled", 20)
    ('where · eager', 'a_very_lo…· compiled')
    """
    head = most // 2 - 1
    return text if len(text) <= most else f"{text[:head]}…{text[head + 1 - most :]}"


def listed(names: list[str], last: str = "and") -> str:
    """Return names as prose lists them.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"], "or")
    ('a', 'a and b', 'a, b or c')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"


def _time_scale(magnitude_s: float) -> tuple[float, str]:
    rounded = float(f"{magnitude_s:.3g}")
    return next((pair for pair in _TIME_UNITS if rounded >= pair[0]), _TIME_UNITS[-1])


def _rate_scale(magnitude: float) -> tuple[float, str]:
    rounded = float(f"{magnitude:.3g}")
    return next((pair for pair in _RATE_SCALES if rounded >= pair[0]), _RATE_SCALES[-1])


def _digits(value: float) -> str:
    rounded = abs(float(f"{value:.3g}"))
    if rounded >= _PLAIN_BELOW:
        return _power_of_ten(value)
    decimals = 2 if rounded < 10 else 1 if rounded < 100 else 0
    return f"{value:,.{decimals}f}"


def _power_of_ten(value: float) -> str:
    if math.isinf(float(f"{value:.3g}")):  # the largest float, rounded
        return "∞" if value > 0 else "−∞"
    mantissa, exponent = f"{value:.3e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa} × 10{superscript(int(exponent))}"
