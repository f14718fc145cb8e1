# Plimsoll's image, from the tarball that `make dist` leaves in .build/dist:
#
#     make dist && docker build -t plimsoll .
#
# How it is run, on a host with the NVIDIA Container Toolkit:
#
#     docker run --rm --gpus all --pid=host -v /var/run/docker.sock:/var/run/docker.sock:ro plimsoll
#
# --gpus all    the driver's library. NVIDIA_DRIVER_CAPABILITIES below asks for no more of it: `utility` is NVML.
# --pid=host    the host's processes. Drivers from 535.113.01 on show a container its own PID namespace's processes alone, which
#               is none; earlier ones show PIDs of the host that cannot be looked up (open-gpu-kernel-modules,
#               kernel-open/nvidia/os-interface.c, os_find_ns_pid).
# -v …sock      names and images of containers; without it there are ids. Who may connect to this socket is as good as root on
#               the host, and `:ro` does not change that: it protects the file, not what is said through it.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS unpacked
COPY .build/dist/plimsoll-*-linux-*.tar.gz /plimsoll.tar.gz
RUN mkdir /plimsoll && tar -C /plimsoll --strip-components=1 -xzf /plimsoll.tar.gz

# Any base with glibc 2.34 or later and libstdc++.
FROM ${BASE} AS tool
COPY --from=unpacked /plimsoll/bin/plimsoll /usr/local/bin/plimsoll
COPY --from=unpacked /plimsoll/LICENSE /usr/local/share/doc/plimsoll/LICENSE
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=utility LANG=C.UTF-8
ENTRYPOINT ["/usr/local/bin/plimsoll"]
