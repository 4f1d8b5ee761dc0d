-- What the audit compares with the database, in one consistent look: counters, open holds, the journal's tail.
-- KEYS  1 policy, 2 holds, 3 journal, 4.. counters
-- ARGV  1 run_id, 2 hold prefix
-- Reply {run_id of the counters, drained_upto, {spent, held} for each counter, {id, amount, counters, at, owner, lease end} for each open hold, entries}
local p = call('HMGET', KEYS[1], 'run_id', 'drained_upto')
local counters, open = {}, {}
for i = 4, #KEYS do
  local c = call('HMGET', KEYS[i], 'spent', 'held')
  counters[#counters + 1] = {c[1] or '0', c[2] or '0'}
end
local ids = call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
for i = 1, #ids, 2 do
  local text = text_of(ARGV[2] .. ids[i])
  local state, amount, counters, from = parts(text or '')
  if state == 'open' then
    local at, owner = string.match(text, '^(%d+)\n([^\n]*)', from + #amount + #counters + 2)
    open[#open + 1] = {ids[i], amount, counters, at, owner, ids[i + 1]}
  end
end
return {p[1] or '', p[2] or '0-0', counters, open, call('XRANGE', KEYS[3], '-', '+')}
