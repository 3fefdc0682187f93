"""Why a number of a table is not there: of all the reasons that its row gives, those that concern its column."""

from collections.abc import Sequence

#: how the name of a column begins → the words by which a reason names it
TOPICS = {
    "precision": "precision",
    "recall": "recall",
    "sq": "sq",
    "ap": "ap",
    "vi_": "variation of information",
    "adapted_rand_error": "adapted rand error",
    "surface_": "surface",
    "f1_sd": "standard deviation",
    "iou_sd": "standard deviation",
}


def reason_of(note: str, column: str) -> str:
    """Take out of a row's note, reasons joined with "; ", what concerns a column; "" where nothing does.

    What names the column wins; what names none concerns them all.
    """
    reasons = [reason.strip() for reason in note.split(";") if reason.strip()]
    topic = next((words for start, words in TOPICS.items() if column.startswith(start)), None)
    own = [reason for reason in reasons if topic is not None and _names(reason, [topic])]
    return "; ".join(own or [reason for reason in reasons if not _names(reason, list(TOPICS.values()))])


def _names(reason: str, topics: Sequence[str]) -> bool:
    """Tell whether a reason says of one of these that it is undefined; what stands before its colon is only why."""
    why, _, said = reason.lower().partition(": ")
    words = f" {said or why} ".replace(",", " ")
    return any(f" {topic} " in words for topic in topics)
