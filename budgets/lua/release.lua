-- Gives a hold back whole: the provider refused the request, or it was never sent. Journaled as a row of cost 0.
-- KEYS  1 policy, 2 hold, 3 holds, 4 journal
-- ARGV  1 run_id, 2 hold id, 3 usage (JSON: how it ended)
-- Reply {'OK', entry id} {'OK', ''}: unknown, and a tombstone stands that a late reserve obeys {'DONE', state} {'COLD'}
if call('HGET', KEYS[1], 'run_id') ~= ARGV[1] then return {'COLD'} end
local text, id = text_of(KEYS[2]), ''
if text then
  local state, amount, counters, from = parts(text)
  if state == 'settled' or state == 'released' then return {'DONE', state} end
  local kind = 'settled'
  if state == 'open' then
    add(counters, -amount, 0)
  else
    kind = 'corrected'
    add(counters, 0, -amount)
  end
  id = call('XADD', KEYS[4], '*', 't', kind, 'h', ARGV[2], 'c', '0', 'r', string.sub(text, from), 'u', ARGV[3])
  call('ZREM', KEYS[3], ARGV[2])
end
bury(KEYS[2], 'released')
return {'OK', id}
