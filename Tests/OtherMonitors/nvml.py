"""What nvidia-ml-py is told by the driver's library, as one JSON document. A call that fails stands as "error N"."""

import ctypes
import json

import pynvml


def ask(call, *arguments, **options):
    try:
        return call(*arguments, **options)
    except pynvml.NVMLError as error:
        return f"error {error.value}"


class FirstRecord(ctypes.Structure):
    """nvmlProcessInfo_v1_t, which nvidia-ml-py no longer has."""

    _fields_ = [("pid", ctypes.c_uint), ("usedGpuMemory", ctypes.c_ulonglong)]


def first_list(handle, kind):
    call = pynvml._nvmlGetFunctionPointer(f"nvmlDeviceGet{kind}RunningProcesses")
    count = ctypes.c_uint(64)
    records = (FirstRecord * count.value)()
    pynvml._nvmlCheckReturn(call(handle, ctypes.byref(count), records))
    return records[: count.value]


def listed(handle, kind):
    """Each version of a list: PIDs, bytes, and the MIG instance."""
    calls = {
        "v1": lambda device: first_list(device, kind),
        "v2": getattr(pynvml, f"nvmlDeviceGet{kind}RunningProcesses_v2"),
        "v3": getattr(pynvml, f"nvmlDeviceGet{kind}RunningProcesses_v3"),
    }
    answers = {}
    for version, call in calls.items():
        answer = ask(call, handle)
        answers[version] = answer if isinstance(answer, str) else [
            {
                "pid": record.pid, "bytes": record.usedGpuMemory,
                "gpuInstance": getattr(record, "gpuInstanceId", None),
                "computeInstance": getattr(record, "computeInstanceId", None),
            }
            for record in answer
        ]
    return answers


def numbers(answer, *names):
    return answer if isinstance(answer, str) else {name: getattr(answer, name) for name in names}


def device(handle, parent=None):
    uuid = ask(pynvml.nvmlDeviceGetUUID, handle)
    pci = ask(pynvml.nvmlDeviceGetPciInfo, handle)
    again = ask(pynvml.nvmlDeviceGetHandleByUUID, uuid)
    is_instance = ask(pynvml.nvmlDeviceIsMigDeviceHandle, handle)
    mode = ask(pynvml.nvmlDeviceGetMigMode, handle)
    first = ask(pynvml.nvmlDeviceGetMemoryInfo, handle)
    second = ask(pynvml.nvmlDeviceGetMemoryInfo, handle, version=pynvml.nvmlMemory_v2)
    rates = ask(pynvml.nvmlDeviceGetUtilizationRates, handle)
    found = {
        "index": ask(pynvml.nvmlDeviceGetIndex, handle), "minor": ask(pynvml.nvmlDeviceGetMinorNumber, handle),
        "uuid": uuid, "name": ask(pynvml.nvmlDeviceGetName, handle), "parent": parent,
        "pci": numbers(pci, "busId", "busIdLegacy", "domain", "bus", "device"),
        "sameByUUID": again if isinstance(again, str) else ask(pynvml.nvmlDeviceGetUUID, again) == uuid,
        "isInstance": is_instance if isinstance(is_instance, str) else is_instance.value, "migMode": mode,
        "gpuInstance": ask(pynvml.nvmlDeviceGetGpuInstanceId, handle),
        "computeInstance": ask(pynvml.nvmlDeviceGetComputeInstanceId, handle),
        "memory": numbers(first, "total", "free", "used"),
        "memory2": numbers(second, "total", "reserved", "free", "used"),
        "utilization": numbers(rates, "gpu", "memory"),
        "lists": {name: listed(handle, kind) for name, kind in
                  {"compute": "Compute", "graphics": "Graphics", "mps": "MPSCompute"}.items()},
    }
    yield found
    if isinstance(mode, str) or parent is not None:
        return
    for slot in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
        instance = ask(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, slot)
        if not isinstance(instance, str):
            of = pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(instance)
            yield from device(instance, pynvml.nvmlDeviceGetUUID(of))


pynvml.nvmlInit()
devices = []
for index in range(pynvml.nvmlDeviceGetCount()):
    handle = ask(pynvml.nvmlDeviceGetHandleByIndex, index)
    devices += [handle] if isinstance(handle, str) else device(handle)
print(json.dumps({
    "driver": pynvml.nvmlSystemGetDriverVersion(), "cuda": pynvml.nvmlSystemGetCudaDriverVersion(), "devices": devices,
}))
pynvml.nvmlShutdown()
