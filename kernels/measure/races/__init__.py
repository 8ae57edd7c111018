"""How much slower one thing is than another: two of it in turns, in many processes, and a verdict."""
