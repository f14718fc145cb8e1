// It has no calls of its own: it takes the place of those of libc.
