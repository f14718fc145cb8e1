"""A training run in small: tensors that grow and go. What PyTorch says stands beside what the driver says."""

import sys
import time

import torch

MEBIBYTE = 2**20

if not torch.cuda.is_available():
    sys.exit("PyTorch finds no GPU here; `plimsoll check` tells why")
for size in [1000, 2000, 4000, 8000]:
    tensor = torch.randn(size, size, device="cuda")
    time.sleep(0.5)
    free, total = torch.cuda.mem_get_info()
    tensors, kept = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
    print(
        f"{size} x {size}: {tensors / MEBIBYTE:.1f} MiB in tensors, {kept / MEBIBYTE:.1f} MiB kept; "
        f"the driver has {(total - free) / MEBIBYTE:.1f} MiB of the card not free",
        flush=True,
    )
    del tensor
tensors, kept = torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
print(f"at most {tensors / MEBIBYTE:.1f} MiB in tensors, {kept / MEBIBYTE:.1f} MiB kept; the context is in neither")
