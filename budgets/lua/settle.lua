-- Ends a hold at its real cost: hold off, cost on, journal entry appended. Never refuses; idempotent by hold.
-- KEYS  1 policy, 2 hold, 3 holds, 4 journal
-- ARGV  1 run_id, 2 hold id, 3 cost, 4 usage (JSON: how it ended), 5 '' or 'adopt', and to adopt a hold that this store
--       has never heard of: 6 amount, 7 counters (space-separated), 8 at (ms), 9 meta
-- Reply {'OK', entry id} {'DONE', state}: it had ended before {'UNKNOWN'} {'COLD'}
if call('HGET', KEYS[1], 'run_id') ~= ARGV[1] then return {'COLD'} end
-- Buried as it is looked at, one command for two; a hold of another shape (a hash), or none, is left alone by it.
local text = redis.pcall('SET', KEYS[2], 'settled', 'EX', TOMBSTONE_SECONDS, 'XX', 'GET')
local buried = type(text) == 'string'
if not buried then text = text_of(KEYS[2]) end
if not text then
  if ARGV[5] ~= 'adopt' then return {'UNKNOWN'} end
  text = table.concat({'adopted', ARGV[6], ARGV[7], ARGV[8], '', '', ARGV[9]}, '\n')
end
local state, amount, counters, from = parts(text)
if state == 'settled' or state == 'released' then return {'DONE', state} end
local cost, kind = tonumber(ARGV[3]), 'settled'
if state == 'open' then
  add(counters, -amount, cost)
elseif state == 'ended' then
  kind = 'corrected'
  add(counters, 0, cost - amount)
else
  add(counters, 0, cost)
end
local id = call('XADD', KEYS[4], '*', 't', kind, 'h', ARGV[2], 'c', ARGV[3], 'r', string.sub(text, from), 'u', ARGV[4])
call('ZREM', KEYS[3], ARGV[2])
if not buried then bury(KEYS[2], 'settled') end
return {'OK', id}
