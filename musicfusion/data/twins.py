"""One song under two names would lie in two splits: twins are found by the passages that they share."""

from collections import Counter


class Twins:
    """The songs met so far, each as a set of passages; what a passage is, its reader says."""

    def __init__(self) -> None:
        self._owners: dict[bytes, list[str]] = {}

    def of(self, passages: frozenset[bytes]) -> str | None:
        """A song that has more than half of these passages; None if there is none."""
        shared = Counter(owner for passage in passages for owner in self._owners.get(passage, ()))
        if not shared:
            return None
        name, count = shared.most_common(1)[0]
        return name if count > len(passages) / 2 else None

    def add(self, name: str, passages: frozenset[bytes]) -> None:
        """Remembers a song."""
        for passage in passages:
            self._owners.setdefault(passage, []).append(name)
