"""Colours, lines and markers of sources and pairs."""

from itertools import combinations

from famous.compare.comparison import Comparison, SourceFacts
from famous.report.comparison_roles import pair_roles, source_roles

NAMES = ("automatic", "M1", "M2")


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def comparison(names: tuple[str, ...]) -> Comparison:
    return Comparison.empty(tuple(SourceFacts(name, name, "", None, (1, 1, 1), ()) for name in names))


def test_the_program_is_green_the_first_expert_red_the_second_blue() -> None:
    roles = source_roles(NAMES)
    assert [role.colour_name for role in roles.values()] == ["bluish green", "vermilion", "blue"]
    assert [role.light for role in roles.values()] == ["#009e73", "#d55e00", "#0072b2"]


def test_no_role_is_told_by_its_colour_alone() -> None:
    roles = [*source_roles(NAMES).values(), pair_roles(comparison(NAMES))["M2", "M1"]]
    for one, other in combinations(roles, 2):
        assert one.marker != other.marker
        assert one.dashes != other.dashes
        assert one.symbol != other.symbol
        assert one.light != other.light


def test_colours_stand_out_from_their_grounds() -> None:
    for role in [*source_roles(NAMES).values(), *pair_roles(comparison(NAMES)).values()]:
        assert contrast(role.light, "#ffffff") >= 3, role.name
        assert contrast(role.dark, "#1f2226") >= 3, role.name


def test_a_pair_looks_like_its_truth_and_the_experts_like_neither() -> None:
    roles = pair_roles(comparison(NAMES))
    sources = source_roles(NAMES)
    assert roles["automatic", "M1"].light == sources["M1"].light
    assert roles["automatic", "M2"].light == sources["M2"].light
    assert roles["M2", "M1"].light not in {role.light for role in sources.values()}
    assert [role.key for role in roles.values()] == ["pair-0", "pair-1", "pair-2"]


def test_two_sources_one_pair() -> None:
    (role,) = pair_roles(comparison(("a", "b"))).values()
    assert role.name == "a against b"
    assert role.light == source_roles(("a", "b"))["a"].light


def test_more_sources_than_colours() -> None:
    assert len(source_roles(("a", "b", "c", "d"))) == 4
    assert source_roles(()) == {}
