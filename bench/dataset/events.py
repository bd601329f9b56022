"""`events`: invented news reports of events, with questions whose answers stand in the text.

The eight event types and their four roles each are those of CMNEE (Zhu et al. 2024). Every name is made up, so that
nothing can be known but what the report says; any likeness is chance.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from random import Random
from typing import NamedTuple, TypeVar

from pydantic import NonNegativeInt, PositiveInt, ValidationError

from bench.dataset import Dataset
from bench.dataset.files import place, read_records
from bench.errors import InputError
from bench.example import Example, Splits

T = TypeVar("T")


class Events(Dataset):
    """Event reports written by this module, or Example records from local files."""

    seed: NonNegativeInt
    """Another seed gives other reports; the same one the same reports on every machine."""
    train_documents: PositiveInt
    """Reports in the training split."""
    validation_documents: PositiveInt
    """Reports in the validation split, which does not depend on the size of the training split."""
    questions_per_document: PositiveInt
    """Questions on each report, at most the 4 that every report has."""

    def load(self) -> Splits:
        """Both splits; the questions on one report share a cluster, and no report is in both.

        Raises:
            InputError: `train` or `validation` names a file that cannot be used, or more questions are asked for
                than a report has.
        """
        if self.questions_per_document > FEWEST_QUESTIONS:
            raise InputError(
                f"dataset.questions_per_document: must be at most {FEWEST_QUESTIONS}, as many as every report has, "
                f"got {self.questions_per_document}"
            )
        texts: set[str] = set()
        validation = tuple(self._examples("validation", self.validation_documents, texts))
        train = tuple(self._examples("train", self.train_documents, texts))
        if self.validation is not None:
            validation = read_examples(self.validation)
        if self.train is not None:
            train = read_examples(self.train)
        return Splits(train=train[: self.train_limit], validation=validation[: self.validation_limit])

    def _examples(self, split: str, n_documents: int, texts: set[str]) -> Iterator[Example]:
        """The examples of `n_documents` reports, none of which is in `texts`; theirs are added to it."""
        n_written = 0
        for number in count():
            if n_written == n_documents:
                return
            random = Random(f"events/{self.seed}/{split}/{number}")
            report = write_report(random, n_events(random))
            if report.text in texts:
                continue
            texts.add(report.text)
            n_written += 1
            document = f"events-{self.seed}-{split}-{number:05d}"
            questions = shuffled(random, report.questions)[: self.questions_per_document]
            for index, (question, references) in enumerate(questions):
                yield Example(
                    id=f"{document}-{index}",
                    cluster=document,
                    question=question,
                    context=report.text,
                    references=references,
                )


def read_examples(path: str) -> tuple[Example, ...]:
    """The Example records of a local file.

    Raises:
        InputError: the file cannot be read, or a record is no Example (with its line).
    """
    examples = []
    for number, record in read_records(path):
        try:
            examples.append(Example.model_validate(record))
        except ValidationError as error:
            fault = error.errors()[0]
            field = ".".join(map(str, fault["loc"]))
            raise InputError(
                f"{place(path, number)}: {field}: {fault['msg']}; an example has the strings id, cluster, question and "
                "context, and references, a list of strings"
            ) from error
    return tuple(examples)


class Question(NamedTuple):
    """A question on a report, and the accepted answers, each verbatim in its text; the shortest comes first."""

    text: str
    references: tuple[str, ...]


class Report(NamedTuple):
    """A report of some events, with one question for each role of each event."""

    text: str
    questions: tuple[Question, ...]


FEWEST_QUESTIONS = 4
"""One event of four roles."""


def n_events(random: Random) -> int:
    """How many events the next report of the data set tells of."""
    return 2 if random.random() < 0.4 else 1


def write_report(random: Random, n_events: int) -> Report:
    """One report of `n_events` events. Its chance is `random.random()` alone, which is the same in all Pythons."""
    used: set[str] = set()
    passages: list[str] = []
    questions: list[Question] = []
    told: list[Kind] = []
    actors: list[Phrase] = []
    for _ in range(n_events):
        kind = pick(random, KINDS)
        fillers = {role: _unused(random, phrase, used) for role, phrase in kind.roles.items()}
        if kind.roles["Subject"] is force:
            # One subject of events of different types: only the question's verb tells which of them is meant.
            if actors and kind not in told and random.random() < 0.3:
                fillers["Subject"] = actors[0]
            actors.append(fillers["Subject"])
        told.append(kind)
        passage = _filled(pick(random, kind.passages), fillers)
        passages.append(passage)
        questions += [
            Question(_filled(pick(random, kind.questions[role]), fillers), filler.references(passage))
            for role, filler in fillers.items()
        ]
    if random.random() < 0.6:
        aside = {role: _unused(random, phrase, used) for role, phrase in ASIDE_ROLES.items()}
        passages.insert(int(random.random() * (len(passages) + 1)), _filled(pick(random, ASIDES), aside))
    return Report(" ".join(passages), tuple(questions))


class Phrase(NamedTuple):
    """What fills a role: a `core` such as `Karven range` after a `lead` such as `at the `, which may be empty."""

    lead: str
    core: str

    def references(self, passage: str) -> tuple[str, ...]:
        """The core and each longer form of it up to the whole phrase, spelled as in `passage`."""
        words = self.lead.split()
        forms = [" ".join([*words[start:], self.core]) for start in range(len(words), -1, -1)]
        return tuple(form if form in passage else _capitalised(form) for form in forms)


class Kind(NamedTuple):
    """An event type: what may fill its roles, how it is told, and how each role is asked for.

    Every question names another role's filler, and no filler occurs twice in a report with the same verb: the answer
    is unique.
    """

    roles: dict[str, Callable[[Random], Phrase]]
    passages: tuple[str, ...]
    questions: dict[str, tuple[str, ...]]


def pick(random: Random, choices: Sequence[T]) -> T:
    """One of `choices`, each as likely."""
    return choices[int(random.random() * len(choices))]


def shuffled(random: Random, items: Sequence[T]) -> list[T]:
    """The items in random order."""
    return [item for _, _, item in sorted((random.random(), index, item) for index, item in enumerate(items))]


def _unused(random: Random, phrase: Callable[[Random], Phrase], used: set[str]) -> Phrase:
    while (made := phrase(random)).core in used:
        pass
    used.add(made.core)
    return made


def _filled(template: str, fillers: dict[str, Phrase]) -> str:
    text = template.format(**{role: phrase.lead + phrase.core for role, phrase in fillers.items()})
    return ". ".join(_capitalised(sentence) for sentence in text.split(". "))


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _with_article(core: str) -> Phrase:
    return Phrase("an " if core[0] in "AEIOUaeiou" else "a ", core)


def _listed(names: str) -> tuple[str, ...]:
    return tuple(names.split(", "))


COUNTRIES = _listed(
    "Arvonia, Belmaria, Corvania, Dravia, Estovia, Fenoria, Galdia, Halvia, Jorvia, Kestria, Lumeria, Morvia, Neldia, "
    "Ostavia, Pelgria, Rovania, Selvia, Torania, Ulmeria, Valdoria, Wendia, Zamoria"
)
BRANCHES = ("Navy", "Army", "Air Force", "Coast Guard", "Marine Corps", "Border Guard", "Defence Ministry")
TOWN_STARTS = _listed(
    "Kar, Tol, Ber, Lum, Ost, Var, Hel, Mar, Sand, Grim, Fal, Nor, Eld, Wes, Brim, Cal, Dun, Rav, Sol, Tharn"
)
TOWN_ENDS = _listed("ven, mund, ford, berg, holm, stad, wick, haven, by, more, dale, ness")
MONTHS = _listed("January, February, March, April, May, June, July, August, September, October, November, December")
WEEKDAYS = _listed("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday")
NUMBERS = _listed("two, three, four, five, six, seven, eight, nine, ten, eleven, twelve")


def town(random: Random) -> str:
    return pick(random, TOWN_STARTS) + pick(random, TOWN_ENDS)


def demonym(random: Random) -> str:
    return pick(random, COUNTRIES) + "n"


def country(random: Random) -> Phrase:
    return Phrase("", pick(random, COUNTRIES))


def force(random: Random) -> Phrase:
    return Phrase("the ", f"{demonym(random)} {pick(random, BRANCHES)}")


def date(random: Random) -> Phrase:
    form = random.random()
    if form < 0.6:
        return Phrase("on ", f"{1 + int(random.random() * 28)} {pick(random, MONTHS)}")
    if form < 0.8:
        return Phrase("on ", pick(random, WEEKDAYS))
    return Phrase("in ", f"{pick(random, MONTHS)} {2011 + int(random.random() * 14)}")


def scene(random: Random) -> Phrase:
    lead, core = pick(
        random, (("in ", "{}"), ("near ", "{}"), ("outside ", "{}"), ("at the ", "port of {}"), ("at ", "{} air base"))
    )
    return Phrase(lead, core.format(town(random)))


def area(random: Random) -> Phrase:
    lead, core = pick(
        random, (("off ", "Cape {}"), ("in the ", "Gulf of {}"), ("in the ", "{} Strait"), ("on the ", "{} plain"))
    )
    return Phrase(lead, core.format(town(random)))


def site(random: Random) -> Phrase:
    lead, core = pick(random, (("at the ", "{} range"), ("at the ", "{} test centre"), ("off ", "Cape {}")))
    return Phrase(lead, core.format(town(random)))


def fair(random: Random) -> Phrase:
    lead, core = pick(random, (("at the ", "{} air show"), ("at the ", "{} arms fair"), ("in ", "{}")))
    return Phrase(lead, core.format(town(random)))


def equipment(random: Random) -> Phrase:
    noun = pick(random, ("missile", "rocket", "drone", "radar", "torpedo", "gunboat", "helicopter", "jammer"))
    if random.random() < 0.4:
        return Phrase("the ", f"{pick(random, TOWN_STARTS)}-{1 + int(random.random() * 9)} {noun}")
    made = _with_article(
        f"{pick(random, ('long-range', 'light', 'stealth', 'mobile', 'solar', 'laser-guided', 'amphibious'))} {noun}"
    )
    return made if random.random() < 0.7 else Phrase("a new ", made.core)


def exercise(random: Random) -> Phrase:
    aims = _listed(
        "live-fire, night, mine-clearing, anti-submarine, air-defence, rescue, landing, winter, river-crossing, "
        "parachute, boarding"
    )
    return _with_article(f"{pick(random, aims)} {pick(random, ('drill', 'exercise', 'rehearsal'))}")


def military_force(random: Random) -> Phrase:
    if random.random() < 0.4:
        unit = pick(random, ("tank", "engineer", "rocket", "medical", "signals", "infantry"))
        return _with_article(f"{unit} {pick(random, ('battalion', 'company', 'brigade'))}")
    units = ("frigates", "destroyers", "fighter jets", "patrol boats", "transport planes", "minesweepers", "tanks")
    return Phrase("", f"{pick(random, NUMBERS)} {pick(random, units)}")


def materials(random: Random) -> Phrase:
    goods = _listed("ambulances, tents, water pumps, generators, field kitchens, trucks, blankets, radios")
    return Phrase("", f"{10 * (1 + int(random.random() * 30))} {pick(random, goods)}")


def craft(random: Random) -> Phrase:
    kinds = _listed(
        "transport helicopter, fighter jet, submarine, patrol boat, supply ship, training plane, frigate, tanker"
    )
    return _with_article(f"{demonym(random)} {pick(random, kinds)}")


def damage(random: Random) -> Phrase:
    lead, harm = pick(random, (("a ", "fire in"), ("a ", "crack in"), ("the ", "loss of"), ("", "damage to")))
    parts = _listed("engine, hull, cargo hold, fuel tank, radar mast, rudder, cockpit, galley, bow, stern")
    return Phrase(lead, f"{harm} the {pick(random, parts)}")


def maker(random: Random) -> Phrase:
    return Phrase("", f"{town(random)} {pick(random, ('Works', 'Dynamics', 'Shipyards', 'Systems', 'Motors'))}")


def fighters(random: Random) -> Phrase:
    return Phrase("", f"{demonym(random)} {pick(random, ('rebels', 'gunmen', 'raiders', 'pirates', 'insurgents'))}")


def target(random: Random) -> Phrase:
    kinds = _listed("supply convoy, checkpoint, fuel depot, outpost, patrol, radio mast, food train, barracks")
    return _with_article(f"{demonym(random)} {pick(random, kinds)}")


def people(random: Random) -> Phrase:
    kinds = ("sailors", "soldiers", "pilots", "medics", "recruits", "divers", "guards", "engineers")
    return Phrase("", f"{demonym(random)} {pick(random, kinds)}")


def quantity(random: Random) -> Phrase:
    number = pick(random, (*NUMBERS, *(str(number) for number in range(13, 60))))
    return Phrase("at least " if random.random() < 0.2 else "", number)


EXPERIMENT = Kind(
    roles={"Subject": force, "Equipment": equipment, "Date": date, "Location": site},
    passages=(
        "{Subject} tested {Equipment} {Location} {Date}.",
        "{Date}, {Subject} put {Equipment} to the test {Location}.",
        "{Subject} has carried out a trial of {Equipment}. The trial took place {Location} {Date}.",
        "A test of {Equipment} was completed {Location} {Date}, {Subject} said.",
        "{Equipment} passed its first trial {Date}. {Subject} ran the test {Location}.",
    ),
    questions={
        "Subject": ("Who tested {Equipment}?", "Who ran the test {Location}?", "Who held the trial {Date}?"),
        "Equipment": ("What did {Subject} test?", "What was tested {Location}?", "What was on trial {Date}?"),
        "Date": ("When was {Equipment} tested?", "When did {Subject} hold its trial?", "When was the test {Location}?"),
        "Location": (
            "Where was {Equipment} tested?",
            "Where did {Subject} run its test?",
            "Where was the trial {Date}?",
        ),
    },
)
MANOEUVRE = Kind(
    roles={"Subject": force, "Content": exercise, "Date": date, "Area": area},
    passages=(
        "{Subject} held {Content} {Area} {Date}.",
        "{Date}, {Subject} trained {Area} in {Content}.",
        "Crews of {Subject} have finished {Content}. They trained {Area} {Date}.",
        "{Content} took place {Area} {Date}. It was led by {Subject}.",
        "Ships and aircraft met {Area} for {Content}, which {Subject} opened {Date}.",
    ),
    questions={
        "Subject": ("Who held {Content}?", "Who trained {Area}?", "Who led the training {Date}?"),
        "Content": ("What did {Subject} train for?", "What was held {Area}?", "What did the crews train {Date}?"),
        "Date": ("When was {Content} held?", "When did {Subject} train?", "When did the crews train {Area}?"),
        "Area": ("Where was {Content} held?", "Where did {Subject} train?", "Where did the crews train {Date}?"),
    },
)
DEPLOY = Kind(
    roles={"Subject": force, "Militaryforce": military_force, "Date": date, "Location": scene},
    passages=(
        "{Subject} deployed {Militaryforce} {Location} {Date}.",
        "{Date}, {Subject} stationed {Militaryforce} {Location}.",
        "{Militaryforce} took up position {Location} {Date} by order of {Subject}.",
        "{Subject} has moved {Militaryforce}. They have been stationed {Location} since the order {Date}.",
        "The deployment of {Militaryforce} {Location} began {Date}, according to {Subject}.",
    ),
    questions={
        "Subject": ("Who deployed {Militaryforce}?", "Who stationed units {Location}?", "Who deployed units {Date}?"),
        "Militaryforce": ("What did {Subject} deploy?", "What was stationed {Location}?", "What was deployed {Date}?"),
        "Date": (
            "When did {Militaryforce} take up position?",
            "When did {Subject} deploy units?",
            "When were units stationed {Location}?",
        ),
        "Location": (
            "Where did {Militaryforce} take up position?",
            "Where did {Subject} station units?",
            "Where were units deployed {Date}?",
        ),
    },
)
SUPPORT = Kind(
    roles={"Subject": country, "Object": country, "Materials": materials, "Date": date},
    passages=(
        "{Subject} gave {Object} {Materials} {Date}.",
        "{Date}, {Subject} delivered {Materials} to {Object}.",
        "{Object} received {Materials} from {Subject} {Date}.",
        "{Subject} has come to the aid of {Object}. A shipment of {Materials} arrived {Date}.",
        "{Materials} reached {Object} {Date}. They were a gift of {Subject}.",
    ),
    questions={
        "Subject": ("Who helped {Object}?", "Who gave {Materials}?", "Who sent aid {Date}?"),
        "Object": ("Whom did {Subject} help?", "Who received {Materials}?", "Who was given aid {Date}?"),
        "Materials": ("What did {Subject} give?", "What did {Object} receive?", "What was sent as aid {Date}?"),
        "Date": ("When did {Subject} send aid?", "When did {Object} receive aid?", "When were {Materials} delivered?"),
    },
)
ACCIDENT = Kind(
    roles={"Subject": craft, "Result": damage, "Date": date, "Location": scene},
    passages=(
        "{Subject} had an accident {Location} {Date} that caused {Result}.",
        "{Date}, {Subject} collided with a crane {Location}, which led to {Result}.",
        "An accident {Location} ended in {Result}. {Subject} was involved in it {Date}.",
        "{Subject} ran into trouble {Location}. The accident {Date} resulted in {Result}.",
        "A storm surprised {Subject} {Location} {Date} and caused {Result}.",
    ),
    questions={
        "Subject": ("What had an accident {Location}?", "What suffered {Result}?", "What was in the accident {Date}?"),
        "Result": (
            "What happened to {Subject}?",
            "What did the accident {Location} cause?",
            "What did the accident {Date} cause?",
        ),
        "Date": (
            "When did {Subject} have its accident?",
            "When was the accident {Location}?",
            "When did an accident cause {Result}?",
        ),
        "Location": (
            "Where did {Subject} have its accident?",
            "Where did an accident cause {Result}?",
            "Where was the accident {Date}?",
        ),
    },
)
EXHIBIT = Kind(
    roles={"Subject": maker, "Equipment": equipment, "Date": date, "Location": fair},
    passages=(
        "{Subject} presented {Equipment} {Location} {Date}.",
        "{Date}, visitors {Location} saw {Equipment}, built by {Subject}.",
        "{Subject} has shown {Equipment} to the public. It stood {Location} {Date}.",
        "{Equipment} was on display {Location} {Date}, brought there by {Subject}.",
        "Crowds gathered {Location} when {Subject} unveiled {Equipment} {Date}.",
    ),
    questions={
        "Subject": ("Who presented {Equipment}?", "Who had a display {Location}?", "Who showed its work {Date}?"),
        "Equipment": ("What did {Subject} present?", "What was on display {Location}?", "What was unveiled {Date}?"),
        "Date": (
            "When was {Equipment} shown?",
            "When did {Subject} show its work?",
            "When was the display {Location}?",
        ),
        "Location": (
            "Where was {Equipment} shown?",
            "Where did {Subject} show its work?",
            "Where was the display {Date}?",
        ),
    },
)
CONFLICT = Kind(
    roles={"Subject": fighters, "Object": target, "Date": date, "Location": scene},
    passages=(
        "{Subject} attacked {Object} {Location} {Date}.",
        "{Date}, {Object} came under fire {Location}. {Subject} claimed the attack.",
        "{Object} was raided by {Subject} {Location} {Date}.",
        "Fighting broke out {Location} {Date} when {Subject} surrounded {Object}.",
        "{Subject} opened fire {Location}. The attack {Date} was aimed at {Object}.",
    ),
    questions={
        "Subject": ("Who attacked {Object}?", "Who opened fire {Location}?", "Who was behind the attack {Date}?"),
        "Object": ("What did {Subject} attack?", "What came under fire {Location}?", "What was attacked {Date}?"),
        "Date": ("When was {Object} attacked?", "When did {Subject} attack?", "When was the attack {Location}?"),
        "Location": ("Where was {Object} attacked?", "Where did {Subject} attack?", "Where was the attack {Date}?"),
    },
)
INJURE = Kind(
    roles={"Subject": people, "Quantity": quantity, "Date": date, "Location": scene},
    passages=(
        "{Quantity} {Subject} were hurt {Location} {Date}.",
        "{Date}, an explosion {Location} injured {Quantity} {Subject}.",
        "Doctors {Location} treated {Quantity} {Subject} for their wounds {Date}.",
        "A building collapsed {Location} {Date}. {Quantity} {Subject} were injured.",
        "{Quantity} {Subject} were taken to hospital {Date} after a fire {Location}.",
    ),
    questions={
        "Subject": ("Who was hurt {Location}?", "Who was injured {Date}?"),
        "Quantity": (
            "How many {Subject} were hurt?",
            "How many were hurt {Location}?",
            "How many were injured {Date}?",
        ),
        "Date": ("When were the {Subject} hurt?", "When were people injured {Location}?"),
        "Location": ("Where were the {Subject} hurt?", "Where were people injured {Date}?"),
    },
)
KINDS = (EXPERIMENT, MANOEUVRE, DEPLOY, SUPPORT, ACCIDENT, EXHIBIT, CONFLICT, INJURE)

ASIDE_ROLES: dict[str, Callable[[Random], Phrase]] = {"Subject": force, "Date": date, "Location": scene}
ASIDES = (
    "A spokesman of {Subject} declined to comment {Date}.",
    "{Subject} will publish its yearly review {Date}.",
    "Roads {Location} stayed closed until further notice.",
    "A press conference {Location} was put off.",
    "Officials of {Subject} are to meet {Location} {Date}.",
    "The weather {Location} had been poor for days.",
)
"""Sentences that tell of no event and are never asked about."""
