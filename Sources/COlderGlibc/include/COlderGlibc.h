#ifndef COLDERGLIBC_H
#define COLDERGLIBC_H

// math.h's own, found by the linker; nothing includes this.
float hypotf(float x, float y);

#endif
