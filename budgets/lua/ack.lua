-- The drain has made rows of the journal up to a cursor: trims it, and lets the tombstones of those holds go soon.
-- KEYS  1 policy, 2 journal
-- ARGV  1 run_id, 2 cursor, 3 hold prefix, 4.. ids of the holds whose end is final (not those whose lease ended: they are
--       kept whole for the worker that comes back)
-- Reply {'OK', entries left}
local ms, seq = string.match(ARGV[2], '^(%d+)-(%d+)$')
call('XTRIM', KEYS[2], 'MINID', ms .. '-' .. int(tonumber(seq) + 1))
call('HSET', KEYS[1], 'drained_upto', ARGV[2])
for i = 4, #ARGV do
  -- XX: what has no end of its life yet is an open hold, of a store that was put back in the place of the one drained.
  call('EXPIRE', ARGV[3] .. ARGV[i], 120, 'XX')
end
return {'OK', call('XLEN', KEYS[2])}
