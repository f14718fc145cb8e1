// Empty: SimulatedDRM exports no functions of its own, it replaces functions of libc.
