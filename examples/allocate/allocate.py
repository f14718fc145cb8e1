"""Growing tensors: what PyTorch counts as tensors, what it keeps, and what the driver charges this process for it."""

import json
import os
import subprocess
import sys

import torch

MEBIBYTE = 2**20


def driver_says():
    """What the driver lists of this process, and what is in use of its card, in bytes; None where it does not tell."""
    told = subprocess.run(["plimsoll", "--format", "json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    ledger = json.loads(told or "{}")
    for process in ledger.get("processes", []):
        if process["pid"] == os.getpid():
            card = next(device for device in ledger["devices"] if process["device"] in (device["uuid"], device["index"]))
            return process["bytes"], card["memory"]["usedBytes"]
    return None, None


def row(what):
    amounts = [torch.cuda.memory_allocated(), torch.cuda.memory_reserved(), *driver_says()]
    cells = ["--" if amount is None else f"{amount / MEBIBYTE:.1f} MiB" for amount in amounts]
    print(f"{what:<16}" + "".join(f"{cell:>13}" for cell in cells), flush=True)


if not torch.cuda.is_available():
    sys.exit("PyTorch finds no GPU here; `plimsoll check` tells why")
print(" " * 16 + "".join(f"{title:>13}" for title in ["TENSORS", "KEPT", "PROCESS", "CARD USED"]))
row("at first")
tensors = []
for size in [100, 1000, 2000, 4000, 8000, 16000]:
    try:
        tensors.append(torch.randn(size, size, device="cuda"))
    except torch.cuda.OutOfMemoryError as error:
        print(f"{size} x {size}: {str(error).splitlines()[0]}")
        break
    row(f"+ {size} x {size}")
tensors.clear()
row("all deleted")
torch.cuda.empty_cache()
row("empty_cache()")
