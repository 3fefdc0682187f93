"""Why a number of a table is not there: of all the reasons that its row gives, those that concern its column."""

#: how the name of a column begins → the words by which a reason names it
TOPICS = {
    "precision": "precision",
    "recall": "recall",
    "sq": "sq",
    "ap": "average precision",
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
    own = [reason for reason in reasons if topic in _topics(reason)]
    return "; ".join(own or [reason for reason in reasons if not _topics(reason)])


def _topics(reason: str) -> set[str]:
    """Find what a reason says to be undefined; what stands before its colon is only why."""
    why, _, said = reason.lower().partition(": ")
    words, found = f" {said or why} ".replace(",", " "), set()
    for topic in sorted(set(TOPICS.values()), key=len, reverse=True):  # average precision is no precision
        if f" {topic} " in words:
            found.add(topic)
            words = words.replace(topic, "")
    return found
