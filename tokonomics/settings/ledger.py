"""The ledger: how long it is waited for, how long a hold lives."""

from tokonomics.settings.environment import env

LEDGER_TIMEOUT = env.float("TOKONOMICS_LEDGER_TIMEOUT", default=0.5)  # seconds, connect and read
REDIS_WAITAOF = env.str("TOKONOMICS_REDIS_WAITAOF", default="")  # where holds have to be on disk: `local,replicas`
LEDGER_LEASE_SECONDS = env.int("TOKONOMICS_LEDGER_LEASE_SECONDS", default=60)
MOST_UNDRAINED = env.int("TOKONOMICS_MOST_UNDRAINED", default=100_000)  # ends in one process's memory
LEDGER_GRACE_SECONDS = env.float("TOKONOMICS_LEDGER_GRACE_SECONDS", default=2.0)
HELD_WAIT_SECONDS = env.float("TOKONOMICS_HELD_WAIT_SECONDS", default=2.0)
HELD_WAITERS = env.int("TOKONOMICS_HELD_WAITERS", default=256)  # of one company, in one web process
PARTIAL_HOLDS = env.bool("TOKONOMICS_PARTIAL_HOLDS", default=True)

CAP_THRESHOLDS = "alerts.ladder.thresholds_of"  # which percentages of a new cap are watched; budgets imports no alerts
