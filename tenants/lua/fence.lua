-- Put up a fence: until it is taken off, no reserve passes and every proxy that meets it reloads the policy first.
-- KEYS  1 policy:{tenant}
-- ARGV  1 run_id of this server (sent with every script; a fence stands whichever server it is)   2 token, no spaces
-- Reply 1
local fence = redis.call('HGET', KEYS[1], 'fence')
if fence and fence ~= '' then
  redis.call('HSET', KEYS[1], 'fence', fence .. ' ' .. ARGV[2])
else
  redis.call('HSET', KEYS[1], 'fence', ARGV[2])
end
return 1
