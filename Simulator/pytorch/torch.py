"""Simulates PyTorch on a host without a GPU that could run it. It has `randn`, whose tensors hold memory and no numbers, and
allocates in the sizes of PyTorch's caching allocator (PyTorch, c10/core/AllocatorConfig.h, CUDACachingAllocator.cpp)."""

import ctypes
import types
import weakref

MEBIBYTE = 2**20
BLOCK = 512
SMALL_SIZE, SMALL_SEGMENT = 1 * MEBIBYTE, 2 * MEBIBYTE
MIN_LARGE, LARGE_SEGMENT, ROUND_LARGE = 10 * MEBIBYTE, 20 * MEBIBYTE, 2 * MEBIBYTE


class OutOfMemoryError(RuntimeError):
    pass


class Driver:
    def __init__(self):
        self.library = ctypes.CDLL("libcuda.so.1")
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self.call("cuInit", 0)
        self.call("cuDeviceGet", ctypes.byref(device), 0)
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.call("cuCtxSetCurrent", context)

    def call(self, name, *arguments):
        code = getattr(self.library, name)(*arguments)
        if code == 2:
            raise OutOfMemoryError("CUDA out of memory.")
        if code != 0:
            raise RuntimeError(f"{name}: CUDA error {code}")

    def allocate(self, size):
        address = ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
        return address

    def free(self, address):
        self.call("cuMemFree_v2", address)

    def memory(self):
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self.call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return free.value, total.value


class Segment:
    def __init__(self, address, size, is_small):
        self.address, self.size, self.is_small, self.used = address, size, is_small, 0


class Allocator:
    def __init__(self):
        self.driver, self.segments = None, []
        self.max_allocated = self.max_reserved = 0

    def start(self):
        self.driver = self.driver or Driver()
        return self.driver

    allocated = property(lambda self: sum(segment.used for segment in self.segments))
    reserved = property(lambda self: sum(segment.size for segment in self.segments))

    @staticmethod
    def segment_size(size):
        if size <= SMALL_SIZE:
            return SMALL_SEGMENT
        if size < MIN_LARGE:
            return LARGE_SEGMENT
        return -(-size // ROUND_LARGE) * ROUND_LARGE

    def allocate(self, size):
        size = -(-size // BLOCK) * BLOCK
        fitting = [s for s in self.segments if s.is_small == (size <= SMALL_SIZE) and s.size - s.used >= size]
        segment = min(fitting, key=lambda s: s.size - s.used, default=None) or self.add_segment(size)
        segment.used += size
        self.max_allocated = max(self.max_allocated, self.allocated)
        self.max_reserved = max(self.max_reserved, self.reserved)
        return segment, size

    def add_segment(self, size):
        whole = self.segment_size(size)
        try:
            address = self.start().allocate(whole)
        except OutOfMemoryError:
            self.empty()
            address = self.driver.allocate(whole)
        self.segments.append(Segment(address, whole, size <= SMALL_SIZE))
        return self.segments[-1]

    def empty(self):
        for segment in [segment for segment in self.segments if segment.used == 0]:
            self.driver.free(segment.address)
            self.segments.remove(segment)


allocator = Allocator()


def release(segment, size):
    segment.used -= size


class Tensor:
    def __init__(self, bytes):
        weakref.finalize(self, release, *allocator.allocate(bytes))


def randn(*shape, device):
    assert device == "cuda"
    count = 1
    for size in shape:
        count *= size
    return Tensor(4 * count)


cuda = types.SimpleNamespace(
    is_available=lambda: True,
    OutOfMemoryError=OutOfMemoryError,
    memory_allocated=lambda: allocator.allocated,
    memory_reserved=lambda: allocator.reserved,
    max_memory_allocated=lambda: allocator.max_allocated,
    max_memory_reserved=lambda: allocator.max_reserved,
    mem_get_info=lambda: allocator.start().memory(),
    empty_cache=allocator.empty,
)
