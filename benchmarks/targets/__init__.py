"""What is measured. Each serves `/v1/chat/completions` on loopback, on the measured core, in front of one provider."""

from benchmarks.targets.base import Target
from benchmarks.targets.django_way import DjangoWay
from benchmarks.targets.ours import OverTLS, Tokonomics, TwoWorkers
from benchmarks.targets.peers import Direct, Hardcap, LiteLLM, Nginx, Portkey

ALL: dict[str, type[Target]] = {
    each.name: each for each in (Direct, Nginx, Tokonomics, OverTLS, TwoWorkers, Hardcap, Portkey, LiteLLM, DjangoWay)
}
