"""What a record's detail says is wrong: the natures of a fault in words, and what two of them have in common."""

from __future__ import annotations

import re

_EXPECTED = " — expected: "
_FIGURE = re.compile(r"\S+ ulp where \S+ are excused|\d+ of \d+ elements")
_NUMBER = re.compile(r"[-−+]?\d[\d.,]*(?:e[-−+]?\d+)?")
_NEXT_NATURE = re.compile(r", (?=[a-z][^,]* for )|, (?=\S+ times what is right for )")


def measured(detail: str) -> str:
    """Return what a detail says was measured, without the reason for which it was expected.

    >>> measured("1 ulp — expected: it is old")
    '1 ulp'
    """
    return detail.partition(_EXPECTED)[0]


def reason_of(detail: str) -> str:
    """Return the reason for which something was expected; the whole detail where it names none.

    >>> reason_of("1 ulp — expected: it is old"), reason_of("it is old")
    ('it is old', 'it is old')
    """
    return detail.partition(_EXPECTED)[2] or detail


def natures_in(metric: str, detail: str) -> list[str]:
    """Return what is wrong by a detail, without figures and, where there is a better word, without one element's.

    >>> natures_in("gradient_max_ulp", "9 ulp where 1 are excused; zero for x = 3, off for x > 4; at (3): 0 where 1 is")
    ['zero for x = 3', 'off for x > 4']
    """
    figure, *rest = measured(detail).split("; ")
    if not (rest and _FIGURE.fullmatch(figure)):
        said = "; ".join([figure, *rest]).removeprefix(f"{metric}: ").rstrip(".")
        return [said] if said else []
    if rest[0].startswith("at "):
        return ["; ".join(rest)]
    return _NEXT_NATURE.split("; ".join(rest[:-1] if rest[-1].startswith("at ") else rest))


def without_numbers(what: str) -> str:
    """Return what two sentences have in common that differ in their numbers only.

    >>> without_numbers("wrong by 3.5 in row −2")
    'wrong by # in row #'
    """
    return _NUMBER.sub("#", what)


def pattern_of(what: str) -> str:
    """Return what two natures have in common that differ in their numbers and ranges only.

    >>> pattern_of("0.5 times what is right for x > 3")
    '# times what is right'
    """
    return without_numbers(what if what.startswith("at ") else what.partition(" for ")[0])
