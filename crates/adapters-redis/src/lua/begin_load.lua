-- KEYS: clock. ARGV: life of the clock in ms. Gives the ticket.
return tick(KEYS[1], ARGV[1])
