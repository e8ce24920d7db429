"""What readers call methods, variants, data sets and trunks; records keep the identifiers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from hashquant.settings.trunknames import spoken
from hashquant.settings.words import split_target

#: Options of a target as its name says them → in words.
TARGET_OPTIONS: Mapping[str, str] = {"norm_stats=target": "own batch-norm statistics"}
#: What a method learns from, a word each, in the order of tables; the family is said beside it.
KINDS = ("pairs", "triplets", "centres", "classification", "discrete", "fitted")
#: Settings that rows of several methods may have, as `Name.words` → in words.
ANYBODYS: Mapping[str, str] = {
    "head_only=True": "on the frozen float embedding", "prefix": "prefix of {} bits",
}  # fmt: skip
#: What a data set's classes are called where nothing else is declared.
IDENTITIES = "identities"


@dataclass(frozen=True)
class Name:
    """What readers call a method, and what its settings mean.

    Keys of `words` are settings as a row names them: with their value ("entropy_weight=0.0"), or
    without ("alpha"), where {} stands for the value. A setting whose words are empty is not said.
    Written as a literal, it is read from a plug-in's text without importing it.
    """

    text: str
    short: str = ""  #: where the text has no room: legends, heads of columns
    words: Mapping[str, str] = field(default_factory=dict)

    def setting(self, setting: str) -> str:
        """Return a setting in words, by default its own with spaces.

        >>> Name("A", words={"b=0": "without b"}).setting("b=0"), Name("A").setting("c_d=1")
        ('without b', 'c d 1')
        """
        key, _, value = setting.partition("=")
        value = value.replace("%", " %")
        known = ANYBODYS.get(setting, ANYBODYS.get(key))
        words = self.words.get(setting, self.words.get(key, known))
        return f"{key.replace('_', ' ')} {value}" if words is None else words.replace("{}", value)


@dataclass(frozen=True)
class Names:
    """The names of all that a report speaks of; what it does not know keeps its identifier.

    `classes` says of each data set what its classes are: "identities" (people) or "classes".
    """

    methods: Mapping[str, Name] = field(default_factory=dict)
    datasets: Mapping[str, str] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)  #: of targets
    trunks: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)  #: of methods, each one of `KINDS`

    def kind(self, label: str) -> str:
        """Return the kind of a row's method, or "" where it is not known.

        >>> Names(kinds={"itq": "fitted"}).kind("itq float.margin=0.3"), Names().kind("itq")
        ('fitted', '')
        """
        return self.kinds.get(label.partition(" ")[0], "")

    def method(self, name: str) -> str:
        """Return what a method is called."""
        return self.methods[name].text if name in self.methods else name

    def row(self, label: str) -> str:
        """Return what a row is called, given its identifier (`RunSpec.label`).

        >>> names = Names({"opqn": Name("OPQN", words={"codebooks=learned": "learned codewords"})})
        >>> names.row("opqn codebooks=learned margin=0.3"), names.row("mine k=1")
        ('OPQN, learned codewords, margin 0.3', 'mine k=1')
        """
        method = label.partition(" ")[0]
        return self._row(label, self.method(method))

    def short(self, label: str) -> str:
        """Return a row's name with the method's short one, for a legend or a narrow column."""
        known = self.methods.get(label.partition(" ")[0])
        return self._row(label, (known.short or known.text) if known else label.partition(" ")[0])

    def variant(self, label: str) -> str:
        """Return what a row changes of its method, or "" where nothing is said.

        >>> Names({"pq": Name("PQ")}).variant("pq float.margin=0.3")
        'embedding: margin 0.3'
        """
        method, *settings = re.split(r" (?=[\w.]+=)", label)
        if method not in self.methods:
            return label.partition(" ")[2]
        return ", ".join(said for each in settings if (said := self._setting(method, each)))

    def dataset(self, name: str) -> str:
        """Return what a data set is called.

        >>> Names(datasets={"folder": "own images"}).dataset("folder:faces/mine")
        'own images, faces/mine'
        """
        known, colon, argument = name.partition(":")
        if known not in self.datasets:
            return name
        return f"{self.datasets[known]}, {argument}" if colon else self.datasets[known]

    def target(self, target: str) -> str:
        """Return what an examined data set is called, its option in brackets.

        >>> Names().target("olivetti+norm_stats=target")
        'olivetti (norm_stats=target)'
        """
        name, option = split_target(target)
        said = self.dataset(name)
        return f"{said} ({self.options.get(option, option)})" if option else said

    def block(self, dataset: str, target: str) -> str:
        """Return what was trained on, and the target after an arrow where it is another set.

        >>> names = Names(datasets={"lfw": "LFW", "lfw-unseen": "LFW, new people"})
        >>> names.block("lfw", "lfw-unseen"), names.block("lfw", "olivetti")
        ('LFW → new people', 'LFW → olivetti')
        """
        trained, examined = self.dataset(dataset), self.target(target)
        if dataset == split_target(target)[0]:
            return examined
        # Another part of the same set need not name the set again.
        return f"{trained} → {examined.removeprefix(f'{trained}, ')}"

    def trunk(self, trunk: str, rate: float = 1.0) -> str:
        """Return what a trunk is called, with the weights that it starts from and their rate.

        >>> Names(trunks={"resnet18": "ResNet-18"}).trunk("resnet18:w.pt@0123456789ab")
        'ResNet-18, weights 0123456789ab'
        >>> Names().trunk("resnet50@IMAGENET1K_V2", 0.1)
        'resnet50, weights IMAGENET1K_V2, at 0.1 of the learning rate'
        """
        how = {0.0: ", frozen", 1.0: ""}.get(rate, f", at {rate:g} of the learning rate")
        return f"{spoken(trunk, self.trunks)}{how}"

    def classes_of(self, dataset: str) -> str:
        """Return what the classes of a data set are: "identities" or "classes"."""
        return self.classes.get(split_target(dataset)[0].partition(":")[0], IDENTITIES)

    def _row(self, label: str, method: str) -> str:
        if label.partition(" ")[0] not in self.methods:
            return label
        return ", ".join(filter(None, [method, self.variant(label)]))

    def _setting(self, method: str, setting: str) -> str:
        """Return a setting in words; one of the embedding that a code is fitted on says so."""
        base, dot, _ = setting.partition("=")[0].rpartition(".")
        if not dot:
            return self.methods[method].setting(setting)
        inner = setting[len(base) + 1 :]
        return f"embedding: {self.methods.get(base, Name(base)).setting(inner)}"
