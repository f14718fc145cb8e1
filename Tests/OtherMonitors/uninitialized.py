"""What each call of libnvidia-ml.so.1 answers before nvmlInit, between, and after the last nvmlShutdown, as JSON."""

import ctypes
import json
import re
import sys

with open(sys.argv[1], "rb") as file:
    names = {name.decode() for name in re.findall(rb"(?<=\0)nvml[A-Z]\w*(?=\0)", file.read())}
library = ctypes.CDLL(sys.argv[1])
# These three are answered at any time.
calls = sorted(name for name in names - {"nvmlInit", "nvmlInit_v2", "nvmlInitWithFlags", "nvmlErrorString"}
               if hasattr(library, name))
count = ctypes.c_uint()


def answers():
    return {name: getattr(library, name)(None, None, None, None) for name in calls}


def counted():
    return library.nvmlDeviceGetCount_v2(ctypes.byref(count))


before = answers()
started = [library.nvmlInit_v2(), library.nvmlInitWithFlags(0), library.nvmlInit()]
during = []
for _ in started:
    during.append(counted())
    library.nvmlShutdown()
print(json.dumps({"before": before, "started": started, "during": during, "after": answers()}))
