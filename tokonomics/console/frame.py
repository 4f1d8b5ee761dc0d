"""The frame of a console page: where the reader is, what is left this month, what stops requests now. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tokonomics.console import presentation as show
from tokonomics.console.meter import Meter, Size, meter
from tokonomics.console.reading import Reading, State

# key, label, path below /t/<slug>/; the second group stands apart in the rail
PLACES = (
    (
        ("overview", "Overview", ""),
        ("usage", "Usage", "usage/"),
        ("keys", "Keys", "keys/"),
        ("alerts", "Alerts", "alerts/"),
    ),
    (
        ("team", "Team", "team/"),
        ("audit", "Audit log", "audit/"),
        ("settings", "Settings", "settings/"),
        ("providers", "Providers", "settings/providers/"),
        ("prices", "Prices", "prices/"),
    ),
)
_ROLES = {
    "owner": "You own {}.",
    "admin": "You change caps and settings of {}.",
    "member": "You make keys of your own in {}.",
    "viewer": "You read the figures of {}.",
}


@dataclass(frozen=True, slots=True)
class Link:
    """`main`: drawn as a button."""

    label: str
    href: str
    main: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the rail; `count` is text, empty for none."""

    label: str
    href: str
    current: bool
    count: str


@dataclass(frozen=True, slots=True)
class Band:
    """What stops requests now, the widest scope first: one is shown, `more` says how many wait behind it."""

    title: str
    text: str
    actions: tuple[Link, ...] = ()
    tone: str = "wall"  # or "warn"
    more: int = 0


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What `templates/console/base.html` needs; a page fills it and nothing else of the frame.

    active   the key of the current place: "overview", "keys", ...; "" for a page that is in none (onboarding)
    page_name  what the page is called where the rail has no entry for it
    month    the tenant's month, in live mode
    counts   what stands behind an entry: {"keys": 7}
    hidden   places that this role does not have
    others   the other companies of this person, for the switcher
    """

    tenant_name: str
    tenant_slug: str
    role: str
    person: str
    active: str
    month: Reading
    page_name: str = ""
    band: Band | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    others: tuple[Link, ...] = ()
    help_links: tuple[Link, ...] = ()

    @property
    def home(self) -> str:
        return f"/t/{self.tenant_slug}/"

    @property
    def title(self) -> str:
        named = {key: label for group in PLACES for key, label, _ in group}
        return self.page_name or named.get(self.active, "Overview")

    @property
    def places(self) -> tuple[tuple[Place, ...], ...]:
        return tuple(
            tuple(
                Place(label, f"{self.home}{path}", key == self.active, self._count(key))
                for key, label, path in group
                if key not in self.hidden
            )
            for group in PLACES
        )

    def _count(self, key: str) -> str:
        return show.count(self.counts[key]) if self.counts.get(key) else ""

    @property
    def role_sentence(self) -> str:
        return _ROLES[self.role].format(self.tenant_name)

    @property
    def left(self) -> str:
        """What is left this month; empty without a budget."""
        if self.month.cap is None:
            return ""
        if self.month.over and not self.month.hard:
            return show.spent(self.month.over)
        return show.left(self.month.remaining)

    @property
    def left_label(self) -> str:
        if self.month.state == State.STALE:
            return f"Last known at {show.at(self.month.stale_since or 0):%H:%M:%S} UTC"
        return "Over budget" if self.month.state == State.OVER else "Left this month"

    @property
    def left_of(self) -> str:
        """Under the amount at the rail's foot."""
        cap = show.cap_short(self.month.cap or 0)
        return f"over {cap}" if self.month.state == State.OVER else f"of {cap}"

    @property
    def left_in_words(self) -> str:
        """After the amount on a phone's strip: `left of $1,200`."""
        return self.left_of if self.month.state == State.OVER else f"left {self.left_of}"

    @property
    def resets(self) -> str:
        return f"resets {show.short_day(self.month.resets)}"

    @property
    def rail_meter(self) -> Meter:
        return meter(self.month, Size.ROW, label="This month's budget", ident="meter-rail")

    @property
    def strip_meter(self) -> Meter:
        return meter(self.month, Size.ROW, label="This month's budget", ident="meter-strip")
