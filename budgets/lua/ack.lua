-- The drain has made rows of the journal up to a cursor: trims it, and lets the tombstones of those holds go soon.
-- KEYS  1 policy, 2 journal
-- ARGV  1 run_id, 2 cursor, 3 hold prefix, 4.. hold ids
-- Reply {'OK', entries left}
local ms, seq = string.match(ARGV[2], '^(%d+)-(%d+)$')
redis.call('XTRIM', KEYS[2], 'MINID', ms .. '-' .. int(tonumber(seq) + 1))
redis.call('HSET', KEYS[1], 'drained_upto', ARGV[2])
for i = 4, #ARGV do
  local key = ARGV[3] .. ARGV[i]
  local state = redis.call('HGET', key, 'state')
  if state == 'settled' or state == 'released' then redis.call('EXPIRE', key, 120) end
end
return {'OK', redis.call('XLEN', KEYS[2])}
