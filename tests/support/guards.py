"""What keeps the promises, one line of the product at a time, and the test that notices when it is gone."""

from tests.support.mutations import Guard

LEDGER = "tests/budgets/test_ledger.py::test_"
MODEL = "tests/budgets/test_ledger_model.py::test_random_interleavings_keep_every_invariant"
RECOVERY = "tests/budgets/test_recovery.py::test_"
STUCK = "tests/budgets/test_stuck.py::test_"
SHAPES = "tests/budgets/test_journal_shapes.py::test_"
POLICY = "tests/tenants/test_policy.py::test_"
STACK = "tests/stack/test_"


def lua(name: str, text: str, instead: str, *tests: str) -> Guard:
    """`name` begins with the script's."""
    return Guard(name, f"budgets/lua/{name.split(':')[0]}.lua", text, instead, tests)


_RESERVE = (
    lua(
        "reserve: a call that its caller gave up does nothing",
        "if now > tonumber(ARGV[3]) then return {'LATE', int(now)} end",
        "",
        LEDGER + "a_script_that_starts_after_its_caller_gave_up_changes_nothing",
    ),
    lua(
        "reserve: counters of another server are not believed",
        "p[1] ~= ARGV[1] or ",
        "",
        LEDGER + "counters_of_another_server_are_cold_for_every_call",
    ),
    lua(
        "reserve: a worker shows its holds to each building of the counters",
        "(shown and shown ~= '' and shown ~= built)",
        "false",
        STACK + "redis_away.py::test_a_flushed_store_holds_for_what_is_still_in_flight",
        RECOVERY + "a_building_that_has_not_seen_a_workers_holds_is_cold_to_it",
    ),
    lua(
        "reserve: nothing is admitted before the grace is over",
        "if p[4] and now < tonumber(p[4]) then",
        "if false then",
        LEDGER + "nothing_is_admitted_before_the_grace_is_over",
    ),
    lua(
        "reserve: nothing passes a fence",
        "if p[3] and p[3] ~= '' then",
        "if false then",
        LEDGER + "an_old_policy_is_stale_and_a_fence_stops_all",
    ),
    lua(
        "reserve: an old policy decides nothing",
        "if p[2] ~= ARGV[2] then",
        "if false then",
        LEDGER + "an_old_policy_is_stale_and_a_fence_stops_all",
    ),
    lua(
        "reserve: windows are those of the clock of Redis",
        "if now < tonumber(ARGV[4]) * 1000 or now >= tonumber(ARGV[5]) * 1000 then",
        "if false then",
        LEDGER + "the_windows_are_those_of_the_clock_of_redis",
    ),
    lua(
        "reserve: a repeated call holds nothing again",
        "if not call('SET', KEYS[2], text, 'NX') then return as_before(text_of(KEYS[2])) end",
        "call('SET', KEYS[2], text)",
        LEDGER + "a_repeated_reserve_answers_as_the_first_did",
    ),
    lua(
        "reserve: a tombstone is obeyed",
        "if state ~= 'open' then return {'GONE', state} end",
        "",
        LEDGER + "a_release_of_an_unknown_hold_stops_a_late_reserve",
    ),
    lua(
        "reserve: leases that ran out are ended first",
        "'LIMIT', 0, 16)) do",
        "'LIMIT', 0, 0)) do",
        LEDGER + "a_hold_whose_lease_ended_is_charged_by_the_next_reserve",
    ),
    lua(
        "reserve: what is held counts against the cap",
        "local room = cap - spent[i] - held[i]",
        "local room = cap - spent[i]",
        LEDGER + "concurrent_reserves_never_exceed_the_cap",
    ),
    lua(
        "reserve: a cap of zero is a cap",
        "  if cap then\n    local room = cap - spent[i]",
        "  if cap and cap > 0 then\n    local room = cap - spent[i]",
        LEDGER + "a_cap_of_zero_refuses_everything",
    ),
    lua(
        "reserve: the grant is no more than a share of the room",
        "if share < granted then granted = share end",
        "",
        LEDGER + "the_grant_shrinks_to_the_headroom_but_never_below_the_least",
    ),
    lua(
        "reserve: a first refusal is journaled once",
        "call('HGET', key, 'refused') ~= cap",
        "true",
        LEDGER + "the_first_refusal_of_a_window_is_journaled_once",
    ),
)

_ENDINGS = (
    lua(
        "settle: counters of another server are not touched",
        "if call('HGET', KEYS[1], 'run_id') ~= ARGV[1] then return {'COLD'} end",
        "",
        LEDGER + "counters_of_another_server_are_cold_for_every_call",
    ),
    lua(
        "settle: once a hold",
        "if state == 'settled' or state == 'released' then return {'DONE', state} end",
        "",
        LEDGER + "every_ending_is_idempotent_by_hold",
    ),
    lua(
        "settle: a hold that nobody knows is not charged",
        "if ARGV[5] ~= 'adopt' then return {'UNKNOWN'} end",
        "",
        LEDGER + "a_settle_of_a_hold_nobody_knows_is_refused_unless_adopted",
    ),
    lua(
        "settle: after a lease the difference alone",
        "add(counters, 0, cost - amount)",
        "add(counters, 0, cost)",
        LEDGER + "a_late_ending_corrects_what_the_lease_charged",
    ),
    lua(
        "settle: the hold comes off",
        "  add(counters, -amount, cost)\n",
        "  add(counters, 0, cost)\n",
        LEDGER + "a_settle_takes_the_hold_off_and_the_cost_on",
    ),
    lua(
        "settle: an end is journaled",
        "local id = call('XADD', KEYS[4], '*', 't', kind,",
        "local id = call('XADD', KEYS[4] .. 'x', '*', 't', kind,",
        LEDGER + "a_settle_takes_the_hold_off_and_the_cost_on",
    ),
    lua(
        "release: counters of another server are not touched",
        "if call('HGET', KEYS[1], 'run_id') ~= ARGV[1] then return {'COLD'} end",
        "",
        LEDGER + "counters_of_another_server_are_cold_for_every_call",
    ),
    lua(
        "release: an unknown hold leaves a tombstone",
        "bury(KEYS[2], 'released')",
        "if text then bury(KEYS[2], 'released') end",
        LEDGER + "a_release_of_an_unknown_hold_stops_a_late_reserve",
    ),
    lua(
        "release: once a hold",
        "if state == 'settled' or state == 'released' then return {'DONE', state} end",
        "",
        LEDGER + "every_ending_is_idempotent_by_hold",
    ),
    lua(
        "release: after a lease the charge comes off",
        "    add(counters, 0, -amount)\n",
        "",
        LEDGER + "a_late_ending_corrects_what_the_lease_charged",
    ),
    lua(
        "_prelude: a lease that ran out is charged",
        "add(counters, -amount, tonumber(amount))",
        "add(counters, -amount, 0)",
        LEDGER + "a_hold_whose_lease_ended_is_charged_by_the_next_reserve",
    ),
    lua(
        "_prelude: the charge of a lease is journaled",
        "call('XADD', journal_key, '*', 't', 'lapsed'",
        "call('XADD', journal_key .. 'x', '*', 't', 'lapsed'",
        LEDGER + "a_hold_whose_lease_ended_is_charged_by_the_next_reserve",
    ),
    lua(
        "lapse: not on counters of another server",
        "if call('HGET', KEYS[1], 'run_id') ~= ARGV[1] then return {'COLD'} end",
        "",
        LEDGER + "leases_are_not_ended_on_counters_of_another_server",
    ),
)

_EXTEND = (
    lua(
        "extend: a call that its caller gave up does nothing",
        "if now > tonumber(ARGV[2]) then return {'LATE', int(now)} end",
        "",
        LEDGER + "an_extension_that_starts_after_its_caller_gave_up_changes_nothing",
    ),
    lua(
        "extend: an ended hold grows no more",
        "if state ~= 'open' then return {'GONE', state} end",
        "",
        LEDGER + "extending_an_ended_hold_says_gone",
    ),
    lua(
        "extend: a repeated call adds nothing again",
        "if held_now ~= ARGV[7] then return {'OK', held_now} end",
        "",
        LEDGER + "a_repeated_extension_adds_nothing_again",
    ),
    lua(
        "extend: no further than a share of the room",
        "if share < granted then granted = share end",
        "",
        LEDGER + "an_extension_fits_under_every_cap",
    ),
    lua(
        "extend: what others hold counts against the cap",
        "if room < least then",
        "if cap - spent < least then",
        LEDGER + "an_extension_fits_under_every_cap",
    ),
    lua(
        "extend: nothing grows past a fence",
        "if p[3] and p[3] ~= '' then return {'FENCED', p[3]} end",
        "",
        LEDGER + "an_extension_asks_for_the_caps_that_hold_now",
    ),
    lua(
        "extend: not under a policy that holds no more",
        "if p[2] ~= version then return {'STALE', p[2] or ''} end",
        "",
        LEDGER + "an_extension_asks_for_the_caps_that_hold_now",
    ),
)

_REBUILD = (
    lua(
        "rebuild: what is in the database is not counted again",
        "call('XRANGE', KEYS[3], '(' .. ARGV[3], '+')",
        "call('XRANGE', KEYS[3], '-', '+')",
        RECOVERY + "what_is_in_the_database_is_not_counted_again_from_a_journal_that_was_not_trimmed",
    ),
    lua(
        "rebuild: what is in flight stays held",
        "    add(counters, tonumber(amount), 0)\n",
        "",
        RECOVERY + "rebuilding_counts_undrained_entries_and_open_holds",
    ),
    lua(
        "rebuild: what is not drained yet stays spent",
        "    add(e.k, 0, tonumber(e.c))\n",
        "",
        RECOVERY + "rebuilding_counts_undrained_entries_and_open_holds",
    ),
    lua(
        "rebuild: sums from before the last drain are not used",
        "if p[3] and after(p[3], ARGV[3]) then return {'RETRY'} end",
        "",
        RECOVERY + "a_ledger_that_lacks_what_was_drained_rebuilds_nothing",
    ),
    lua(
        "rebuild: a store that lost the company opens after a grace",
        "or now + tonumber(ARGV[5])",
        "or now",
        RECOVERY + "flushall_loses_no_spend_and_admits_only_after_every_worker_has_shown_its_holds",
    ),
    lua(
        "rebuild: live counters are left alone",
        "if p[1] == ARGV[1] and ARGV[7] ~= '1' then return {'LIVE'} end",
        "",
        RECOVERY + "live_counters_are_not_built_again",
    ),
    lua(
        "present: a hold that is known is not held twice",
        "if state then return {'OK', state} end",
        "",
        RECOVERY + "a_hold_that_is_shown_twice_is_held_once",
        MODEL,
    ),
    lua(
        "ack: an open hold of a store that was put back is not let go",
        "if text and parts(text) ~= 'open' then",
        "if text then",
        SHAPES + "an_acknowledgement_lets_no_open_hold_go",
    ),
    lua(
        "ack: tombstones stay a while",
        "KEPT_MS, MOST = 120000, 4",
        "KEPT_MS, MOST = 0, 4",
        SHAPES + "tombstones_stay_two_minutes_after_their_rows_are_written",
    ),
    lua(
        "_prelude: a counter that was gone lives for a while",
        "if not c[1] and not c[2] and call('TTL', key) == -1 then",
        "if false then",
        SHAPES + "a_counter_that_was_gone_gets_a_bounded_life",
    ),
    lua(
        "_prelude: holds of an earlier version are understood",
        "if type(text) ~= 'table' then return text end",
        "if true then return type(text) ~= 'table' and text end",
        SHAPES + "a_hold_of_an_earlier_version_ends_once_like_any_other",
    ),
    lua(
        "ack: only what is in the database leaves the journal",
        "int(tonumber(seq) + 1)",
        "int(tonumber(seq) + 1000000)",
        RECOVERY + "only_what_is_in_the_database_leaves_the_journal",
    ),
)

_CHANGES = (
    Guard(
        "policy: a fence stands before the commit",
        "tenants/policy.py",
        "        _put_fence(tenant_id, token)\n    try:",
        "    try:",
        (POLICY + "the_fence_stands_before_the_commit",),
    ),
    Guard(
        "policy: who meets a fence waits for the writer",
        "tenants/policy.py",
        "        version = _lock(tenant_id).policy_version\n",
        "        version = current(tenant_id)\n",
        (POLICY + "a_healer_waits_for_the_writer_whose_fence_it_met",),
        on_postgres=True,  # on SQLite a transaction is the lock itself
    ),
    Guard(
        "policy: a version never goes back",
        "tenants/lua/publish.lua",
        "if not version or tonumber(ARGV[2]) > tonumber(version) then",
        "if true then",
        (POLICY + "publishing_never_lowers_the_version",),
    ),
    Guard(
        "policy: nobody takes off another's fence",
        "tenants/lua/publish.lua",
        "    if not taken[token] then\n",
        "    if false then\n",
        (POLICY + "a_healer_takes_off_only_the_tokens_that_it_saw",),
    ),
    Guard(
        "policy: a refusal stands by the newest policy",
        "proxy/forward.py",
        "        await engine.admission.confirm(call.secret)  # it must stand by the newest policy too\n",
        "",
        (STACK + "changes.py::test_the_first_request_after_a_change_obeys_it",),
    ),
)

_DRAIN = (
    Guard(
        "drain: rows and cursor in one transaction",
        "budgets/journal.py",
        "    with transaction.atomic():\n        JournalCursor.objects.get_or_create(tenant_id=tenant_id)\n",
        "    if True:\n        JournalCursor.objects.get_or_create(tenant_id=tenant_id)\n",
        (RECOVERY + "a_drain_that_fails_half_way_writes_nothing_and_loses_nothing",),
    ),
    Guard(
        "drain: one at a time",
        "budgets/journal.py",
        "        if locked.last_id != cursor:\n",
        "        if False:\n",
        (RECOVERY + "a_drain_that_was_overtaken_writes_nothing",),
    ),
    Guard(
        "drain: a row that exists is not written again",
        "budgets/journal.py",
        "    known = UsageRecord.objects.in_bulk(rows.known({entry.hold for entry in entries if entry.hold}))\n",
        "    known: dict[str, UsageRecord] = {}\n",
        (RECOVERY + "an_entry_that_is_read_twice_counts_once",),
    ),
    Guard(
        "drain: rollups grow by new rows alone",
        "budgets/journal.py",
        "            batch.repeated.append(entry)\n",
        "            batch.raise_rollup(_rollup_of(facts(tenant_id, entry)), entry.cost, 1, 0, 0)\n",
        (RECOVERY + "an_entry_that_is_read_twice_counts_once",),
    ),
    Guard(
        "drain: a second charge of one hold is taken back",
        "budgets/journal.py",
        "    take_back_repeats(batch)\n    return Drained",
        "    return Drained",
        (RECOVERY + "a_hold_that_two_stores_charged_counts_once",),
    ),
    Guard(
        "drain: what stands before an entry that cannot be written is written",
        "budgets/journal.py",
        "            most = max(1, most // 2)\n",
        "            raise\n",
        (STUCK + "what_stands_before_it_is_written_and_it_is_named",),
    ),
    Guard(
        "set aside: what an entry cost stays in the ledger",
        "budgets/stuck.py",
        "        batch = _bare_row(tenant.pk, entry)\n",
        "        batch = None\n",
        (STUCK + "set_aside_it_has_a_bare_row_and_every_counter_equals_the_ledger",),
    ),
    Guard(
        "crossings: once a cap, window and threshold",
        "budgets/crossings.py",
        "    Crossing.objects.bulk_create(passed, ignore_conflicts=True)\n\n\ndef reconsider",
        "    Crossing.objects.bulk_create(passed)\n\n\ndef reconsider",
        (RECOVERY + "thresholds_are_crossed_once_each",),
    ),
)

_WORKER = (
    Guard(
        "inflight: an end without an answer is sent again",
        "budgets/clockwork.py",
        "        await self._inflight.resend(share)\n",
        "",
        (LEDGER + "a_settle_that_got_no_answer_is_sent_again",),
    ),
    Guard(
        "inflight: what cost nothing is a row too",
        "budgets/inflight.py",
        "        self._end(Ending(reservation, 0, usage))\n",
        "        self._end(Ending(reservation, None, usage))\n",
        (RECOVERY + "a_request_that_cost_nothing_has_its_row_although_the_store_forgot_it",),
    ),
    Guard(
        "inflight: open holds are shown to a new store",
        "budgets/inflight.py",
        "        for reservation in list(share.open.values()):\n",
        "        for reservation in []:\n",
        (RECOVERY + "flushall_loses_no_spend_and_admits_only_after_every_worker_has_shown_its_holds",),
    ),
    Guard(
        "inflight: undrained ends are told to a new store",
        "budgets/inflight.py",
        "        for hold, ending in list(share.undrained.items()):\n            if hold not in statuses:",
        "        for hold, ending in list(share.undrained.items()):\n            if False:",
        (RECOVERY + "flushall_loses_no_spend_and_admits_only_after_every_worker_has_shown_its_holds",),
    ),
    Guard(
        "inflight: what the database has is not told again",
        "budgets/inflight.py",
        "            if hold not in statuses:",
        "            if True:",
        (RECOVERY + "a_settle_that_the_store_forgot_but_the_database_knows_is_not_charged_again",),
    ),
    Guard(
        "lanes: a call that is out too long ends",
        "budgets/lanes.py",
        '            self._loop.create_task(self._drop("no answer in time"))\n',
        "",
        (LEDGER + "a_frozen_store_refuses_in_time_and_serves_again_after",),
    ),
    Guard(
        "admission: a reserve without an answer is disowned",
        "proxy/admission.py",
        'LedgerUnavailable:\n                self._inflight.disown(caller.tenant_id, hold, b"")\n',
        "LedgerUnavailable:\n",
        ("tests/proxy/test_admission.py::test_a_reserve_whose_answer_was_lost_is_refused_and_holds_nothing",),
    ),
    Guard(
        "keys: a made-up key is dropped by its MAC",
        "tenants/keys.py",
        "    return any(hmac.compare_digest(_mac(mac_key, body), given) for mac_key in _mac_keys())\n",
        "    return True\n",
        ("tests/tenants/test_keys.py::test_a_key_with_any_character_changed_is_not_ours",),
    ),
)

_OTHERS = (
    Guard(
        "api: a company's token finds its own things alone",
        "tenants/api.py",
        "        return super().get_queryset().filter(tenant=self.tenant)\n",
        "        return super().get_queryset()\n",
        (
            "tests/api/test_isolation.py::test_another_tenants_things_do_not_exist",
            "tests/api/test_isolation.py::test_what_is_read_never_has_another_tenants_names",
        ),
    ),
    Guard(
        "console: the operator's page is for staff",
        "tokonomics/console/views_operator.py",
        "        if not (request.user.is_active and request.user.is_staff):\n",
        "        if False:\n",
        ("tests/console/test_operator_page.py::test_it_is_no_page_for_anybody_but_staff",),
    ),
)

_PROVIDER = (
    Guard(
        "forward: what may have been sent is charged",
        "proxy/forward.py",
        "        if failure.sent:\n",
        "        if False:\n",
        (STACK + "provider_faults.py::test_a_reply_that_is_none",),
    ),
    Guard(
        "forward: what was not sent costs nothing",
        "proxy/forward.py",
        "        if failure.sent:\n",
        "        if True:\n",
        (STACK + "provider_faults.py::test_a_provider_that_cannot_be_reached_costs_nothing",),
    ),
    Guard(
        "upstream: what broke off was sent",
        "proxy/upstream.py",
        '"The provider broke off before its reply was whole.", sent=True)',
        '"The provider broke off before its reply was whole.", sent=False)',
        (STACK + "provider_faults.py::test_a_reply_that_is_none",),
    ),
    Guard(
        "forward: a provider's error gives the hold back",
        "proxy/forward.py",
        '        settlement.given_back("provider_error", reply.status)\n',
        '        settlement.at_hold(reply.status, ("error",))\n',
        (STACK + "provider_faults.py::test_a_complete_error_passes_untouched_and_gives_the_hold_back",),
    ),
    Guard(
        "stream: one that ends early is charged at its hold",
        "proxy/stream.py",
        '        self._settlement.at_hold(self._reply.status, ("cut",))\n',
        '        self._settlement.given_back("provider_error", self._reply.status)\n',
        (STACK + "provider_faults.py::test_garbage_in_a_stream_passes_and_is_charged_at_the_hold",),
    ),
    Guard(
        "stream: one that breaks off is charged at its hold",
        "proxy/stream.py",
        'self._settlement.at_hold(self._reply.status, ("client_gone", "cut") if self._abandoned else ("cut",))\n',
        'self._settlement.given_back("provider_error", self._reply.status)\n',
        (STACK + "provider_faults.py::test_a_stream_that_is_cut_ends_with_an_error_event",),
    ),
    Guard(
        "stream: a provider is listened to when the client has left",
        "proxy/stream.py",
        "            while not self._ended and left > 0:\n",
        "            while False:\n",
        (STACK + "client_leaves.py::test_a_stream_that_its_client_leaves_is_settled_at_its_real_cost",),
    ),
    Guard(
        "stream: not for ever",
        "proxy/stream.py",
        "            self._patience = asyncio.get_running_loop().call_later(self._drain_seconds, self._cut)\n",
        "            pass\n",
        (STACK + "client_leaves.py::test_a_provider_that_does_not_end_is_left_and_the_hold_charged",),
    ),
    Guard(
        "settlement: usage that cannot be known is charged at the hold",
        "proxy/settlement.py",
        '            self.at_hold(http_status, (*flags, "usage_missing"))\n',
        '            self.given_back("settled", http_status)\n',
        (STACK + "provider_faults.py::test_a_reply_whose_usage_is_missing_or_absurd",),
    ),
    Guard(
        "settlement: a cost above the hold is flagged",
        "proxy/settlement.py",
        '        return ("bound_breach",)\n',
        "        return ()\n",
        (STACK + "provider_faults.py::test_a_cost_above_the_hold_is_recorded_and_flagged",),
    ),
    Guard(
        "connection: one with unread bytes is not used again",
        "proxy/connection.py",
        "return self.open and not self._poll.poll(0)",
        "return self.open",
        (
            "tests/proxy/transport/test_reuse.py::test_what_the_event_loop_has_not_read_yet_is_seen_before_a_connection_is_used_again",
        ),
    ),
    Guard(
        "adapter: an unknown field is refused",
        "proxy/providers/fields.py",
        "        elif name not in allowed:\n",
        "        elif False:\n",
        (
            STACK + "refusals.py::test_a_wish_without_an_upper_price",
            STACK + "refusals.py::test_a_body_that_cannot_be_priced",
        ),
    ),
    Guard(
        "bound: each choice is held for",
        "budgets/pricing/bound.py",
        "                choices * each.output,\n",
        "                each.output,\n",
        ("tests/proxy/providers/test_bounds.py::test_each_choice_is_quoted",),
    ),
)

_STORE = (
    Guard(
        "store: a promoted replica waits for what it may lack",
        "tenants/store.py",
        "return 0.0 if promoted else float(up)",
        "return float(up)",
        (
            "tests/scale/test_failover.py::test_a_replica_that_lacks_the_last_second_is_told_by_every_worker_before_it_admits",
        ),
    ),
    Guard(
        "store: what is in flight is shown to a new server at once",
        "budgets/clockwork.py",
        "        if lane.run_id != self._run_id:\n            await self.pulse()\n",
        "",
        ("tests/budgets/test_store_faults.py::test_what_is_in_flight_is_shown_to_a_store_as_soon_as_it_is_back",),
    ),
    Guard(
        "cluster: a call that is told to ask elsewhere says so there",
        "budgets/cluster.py",
        'lane.command("ASKING")',
        "pass",
        ("tests/scale/test_moving_slots.py::test_a_call_that_is_told_to_ask_elsewhere_asks_there_once",),
    ),
    Guard(
        "waitaof: what is not on disk was not granted",
        "budgets/durable.py",
        "            elif why:\n",
        "            elif False:\n",
        ("tests/scale/test_waitaof.py::test_what_is_not_on_disk_in_time_is_refused_and_given_back",),
    ),
    Guard(
        "database: a question that gets no answer is given up",
        "tenants/database.py",
        "asyncio.timeout(settings.DATABASE_TIMEOUT)",
        "asyncio.timeout(None)",
        ("tests/tenants/test_database.py::test_a_question_that_gets_no_answer_in_time_is_given_up",),
    ),
    Guard(
        "database: what waits for it is bounded",
        "budgets/inflight.py",
        "if self._undrained >= self._most_undrained:",
        "if False:",
        ("tests/budgets/test_drain_killed.py::test_a_stuck_journal_takes_no_more_than_half_of_the_room",),
    ),
    Guard(
        "sweep: one company's bad entry is its own",
        "budgets/recovery.py",
        "            first = first or error\n",
        "            raise\n",
        ("tests/budgets/test_drain_killed.py::test_an_entry_that_cannot_be_written_stops_its_own_company_alone",),
    ),
)

GUARDS = (*_RESERVE, *_ENDINGS, *_EXTEND, *_REBUILD, *_CHANGES, *_DRAIN, *_WORKER, *_OTHERS, *_PROVIDER, *_STORE)
