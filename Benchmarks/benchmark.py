"""What a benchmark hands back: figures beside those of its peers, and the promises that are judged by them."""

from typing import NamedTuple

from measure import summary

OURS = "sandpiper"


class Promise(NamedTuple):
    """One promise of SPECIFICATION.md that no machine excuses: a ratio, or an amount of memory."""

    what: str
    value: float
    limit: float
    is_minimum: bool

    @property
    def is_kept(self):
        """Whether the value is on the right side of the limit."""
        return self.value >= self.limit if self.is_minimum else self.value <= self.limit

    def __str__(self):
        bound = "at least" if self.is_minimum else "at most"
        return f"{self.value:.2f} {self.what}, promised {bound} {self.limit:g}"


class Benchmark:
    """Our figure and its peers', in one unit; `larger_is_better` tells speeds from times, `ours` is our line's name."""

    def __init__(self, name, unit, larger_is_better=False, ours=OURS):
        self.name, self.unit, self.larger_is_better, self.ours = name, unit, larger_is_better, ours
        self.figures = {}
        self.notes = []
        self.promises = []

    def add(self, who, values):
        """Takes the values of one contender."""
        self.figures[who] = summary(values)

    def promise(self, what, value, at_least=None, at_most=None):
        """Judges a value, `what` being the words that follow the number."""
        is_minimum = at_least is not None
        self.promises.append(Promise(what, value, at_least if is_minimum else at_most, is_minimum))

    @property
    def is_fine(self):
        """Whether there is nothing to complain of."""
        return not self.notes and all(promise.is_kept for promise in self.promises)

    def ratio(self, peer):
        """How many times better than the peer we are; less than 1 is worse."""
        ours, theirs = self.figures[self.ours]["median"], self.figures[peer]["median"]
        return ours / theirs if self.larger_is_better else theirs / ours

    def times(self, peer):
        """Our figure as a multiple of the peer's."""
        return self.figures[self.ours]["median"] / self.figures[peer]["median"]

    def rows(self):
        """Rows of the table: contender, median, range, ratio."""
        for who, figure in self.figures.items():
            ratio = "" if who == self.ours or self.ours not in self.figures else f"{self.ratio(who):.2f} x"
            yield (self.name, who, f"{figure['median']:.2f} {self.unit}", f"{figure['min']:.2f}–{figure['max']:.2f}",
                   str(figure["runs"]), ratio)

    def as_json(self):
        """The figures, the ratios, and how the promises fared."""
        peers = [who for who in self.figures if who != self.ours] if self.ours in self.figures else []
        promises = [{**promise._asdict(), "is_kept": promise.is_kept} for promise in self.promises]
        return {"unit": self.unit, "larger_is_better": self.larger_is_better, "figures": self.figures,
                "ratios": {who: self.ratio(who) for who in peers}, "promises": promises, "notes": self.notes}
