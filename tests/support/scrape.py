"""What `/metrics` says, as numbers."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

__all__ = ["Scrape"]


class Scrape:
    """One answer, read by the library's own parser."""

    def __init__(self, text: str) -> None:
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self._numbers = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        """The number of that name, without `progress_`, and with exactly these labels."""
        return self._numbers[f"progress_{name}", *sorted(labels.items())]

    def all(self, name: str) -> dict[tuple[str, ...], float]:
        """The numbers of that name that are not 0, by the values of their labels."""
        return {
            tuple(value for _, value in labels): number
            for (found, *labels), number in self._numbers.items()
            if found == f"progress_{name}" and number
        }

    @property
    def label_values(self) -> set[str]:
        """All there are."""
        return {value for _, *labels in self._numbers for _, value in labels}
