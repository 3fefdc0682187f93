"""The sentence that people want: whether the program agrees with one expert as well as another expert does."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from famous.compare.uncertainty import F1, OUTLINES, BootstrapParams, Difference, Found, Interval, difference, intervals
from famous.words import counted

NO_EXPERT = "no second expert: the difference is undefined, and low and high are those of the metric itself"
MOST_DIGITS = 6  # of a number that rounding would bring to a limit
LEAST = 20  # objects that are said to be needed: intervals of fewer do not yet narrow with their root


@dataclass(frozen=True)
class VerdictParams:
    """When a difference counts."""

    margin: float = 0.05  # F1 or mean IoU: less than this is the same to those who use the result


@dataclass(frozen=True)
class Verdict:
    """What is said of one class: see `famous.compare.comparison.VERDICTS`."""

    kind: str
    sentence: str
    metric: str = F1
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    note: str = ""  # why a number is undefined, or what low and high are of where it is not the difference


def judge(
    names: tuple[str, str, str],
    found: tuple[Found, Found],
    params: VerdictParams | None = None,
    bootstrap: BootstrapParams | None = None,
    *,
    left_out: str = "",
) -> Verdict:
    """Say whether pred agrees with truth as well as a second expert does.

    It is decided by the interval of the difference in F1, never by the point: "as good" if all of it lies above
    −margin, "better" if all of it lies above 0 and its middle beyond the margin, "worse" if all of it lies below 0.
    Where F1 is as good, the outlines decide in the same way, by the mean IoU of the objects that both found. What is
    none of these is undecided, for lack of objects.

    Parameters
    ----------
    names
        Of pred, truth and the second expert.
    found
        What pred and the second expert made of the objects of truth.
    left_out
        Where truth has no object that is scored: why, from `why_left_out`; "" where it has none at all.
    """
    params = params or VerdictParams()
    pred, truth, expert = names
    if len(found[0].truth_ids) == 0:
        return _nothing(truth, left_out)
    gap = difference(found[0], found[1], bootstrap)
    scores = f"F1 {gap.score.value:.2f} against {gap.other.value:.2f}"
    kind = _kind(gap.f1, params.margin)
    if kind == "worse":
        words = f"{pred} is worse than {expert} by {_span(gap.f1, -1)} in F1 ({scores})."
        return _verdict("worse", words, gap.f1)
    if kind == "undecided":
        return _verdict("undecided", _undecided(names, gap, params.margin, scores), gap.f1)
    outlines = _kind(gap.outlines, params.margin)
    if outlines == "worse" and gap.outlines.value < -params.margin:
        words = (
            f"{pred} finds the objects of {truth} as well as {expert} does ({scores}), but its outlines are worse by "
            f"{_span(gap.outlines, -1)} in mean IoU."
        )
        return _verdict("worse", words, gap.outlines, OUTLINES)
    if kind == "better":
        return _verdict("better", f"{pred} is better than {expert} by {_span(gap.f1)} in F1 ({scores}).", gap.f1)
    span = _span(gap.f1, signed=True, margin=params.margin)
    words = f"{pred} agrees with {truth} as well as {expert} does ({scores}; difference {span})."
    return _verdict("as good", words, gap.f1)


def judge_alone(
    names: tuple[str, str], found: Found, bootstrap: BootstrapParams | None = None, *, left_out: str = ""
) -> Verdict:
    """Say how well pred agrees with truth, where nobody else drew the same; the interval is that of F1 itself."""
    pred, truth = names
    if len(found.truth_ids) == 0:
        return _nothing(truth, left_out)
    score = intervals(found, bootstrap)[F1]
    words = f"{pred} agrees with {truth} with F1 {_span(score)}; there is no second expert to compare it with."
    return Verdict("no second expert", words, F1, math.nan, score.low, score.high, NO_EXPERT)


def why_left_out(truth: str, drawn: int, *, ignored: bool) -> str:
    """Say why none of truth's objects is scored; "" where it has none.

    Parameters
    ----------
    drawn
        Objects of truth, those in a zone round borders included, less what is ignored.
    ignored
        Whether anything is: an object that lies in it as a whole is not among `drawn`.
    """
    if drawn:
        places = "the zone round borders or under the ignore label" if ignored else "the zone round borders"
        objects = f"The only object of {truth} lies" if drawn == 1 else f"All {drawn:,} objects of {truth} lie"
        return f"{objects} in what is left out, {places}"
    return f"All that {truth} may have lies in what is left out, under the ignore label" if ignored else ""


def _nothing(truth: str, left_out: str) -> Verdict:
    why = left_out or f"{truth} has no such object"
    return Verdict("undefined", f"{why}: there is nothing to agree with.", note=f"{why}: nothing is defined")


def _kind(gap: Interval, margin: float) -> str:
    if not math.isfinite(gap.low):
        return "undecided"
    if gap.low > 0 and gap.value > margin:
        return "better"
    if gap.low > -margin:
        return "as good"
    return "worse" if gap.high < 0 else "undecided"


def _undecided(names: tuple[str, str, str], gap: Difference, margin: float, scores: str) -> str:
    pred, truth, expert = names
    words = (
        f"Whether {pred} agrees with {truth} as well as {expert} does is not decided by "
        f"{counted(gap.objects, 'object')} ({scores}; difference {_span(gap.f1, signed=True, margin=margin)})"
    )
    needed = objects_needed(gap.f1, gap.objects, margin)
    return f"{words}; about {needed:,} would be needed." if needed else f"{words}."


def objects_needed(gap: Interval, objects: int, margin: float) -> int | None:
    """Return about how many objects would decide, were the difference to stay: an interval narrows with their root.

    None where no number would.
    """
    half = (gap.high - gap.low) / 2
    room = max(gap.value + margin, -gap.value)
    if not (math.isfinite(half) and room > 0):
        return None
    needed = objects * (half / room) ** 2
    digits = int(10 ** max(0, math.floor(math.log10(max(needed, 1))) - 1))
    return max(LEAST, objects + 1, math.ceil(needed / digits) * digits)


def _verdict(kind: str, sentence: str, gap: Interval, metric: str = F1) -> Verdict:
    return Verdict(kind, sentence, metric, gap.value, gap.low, gap.high)


def _span(interval: Interval, sign: int = 1, *, signed: bool = False, margin: float = 0.0) -> str:
    """Write a score with its interval, turned round where its sign is said in words; signed without a bracket.

    No number is rounded to one that it is decided by, 0 or the margin.
    """
    low, high = sorted((sign * interval.low, sign * interval.high))
    limits = (0.0, margin, -margin)
    around_zero = low <= 0 <= high
    value = number_text(sign * interval.value, signed=signed, never=limits[1:] if around_zero else limits)
    reach = " to ".join(number_text(end, signed=signed, never=limits) for end in (low, high))
    return f"{value}, interval {reach}" if signed else f"{value} ({reach})"


def number_text(value: float, *, signed: bool = False, never: Sequence[float] = ()) -> str:
    """Write a number with two digits, a real minus and no sign before 0; with more, rather than as one of `never`."""
    form = "+" if signed else ""
    for digits in range(2, MOST_DIGITS + 1):
        text = f"{value:{form}.{digits}f}"
        if not any(float(text) == limit != value for limit in never):
            break
    return text.lstrip("+-") if not text.strip("+-0.") else text.replace("-", "−")
