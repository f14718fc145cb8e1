#include <math.h>

// glibc 2.35 gave hypotf a new symbol version (its commit "math: Remove the error handling wrapper from hypot and hypotf"), and
// the Swift runtime inside the program calls it: for that one function the program would not start with the 2.34 of Rocky
// Linux 9 and its kin. A program's own definition goes before the library's, so none is asked for.
//
// The square of a float is exact in a double and cannot overflow it. `hypot` would be of 2.35 again; `sqrt` is not.
float hypotf(float x, float y) {
    // C11 F.10.4.3: infinite, even where the other is not a number.
    if (isinf(x) || isinf(y)) return INFINITY;
    return (float)sqrt((double)x * x + (double)y * y);
}
