import Testing

@testable import Ledger

struct PIDsInTextTests {
    /// Messages as programs and kernels write them.
    static let messages: [(text: String, pids: [UInt32])] = [
        // PyTorch
        (
            """
            torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 21.96 GiB of \
            which 1.29 GiB is free. Process 4242 has 10.50 GiB memory in use. Process 4243 has 9.01 GiB memory in use. Of the \
            allocated memory 20 GiB is allocated by PyTorch
            """, [4242, 4243]
        ),
        ("Including non-PyTorch memory, this process has 10.50 GiB memory in use.", []),
        ("RuntimeError: DataLoader worker (pid(s) 18894, 18897) exited unexpectedly", [18894, 18897]),
        ("RuntimeError: DataLoader worker (pid 4242) is killed by signal: Killed.", [4242]),
        ("DataLoader worker (pid(s) 18894) exited unexpectedly", [18894]),
        ("failed (exitcode: -9) local_rank: 0 (pid: 4242) of binary: python3", [4242]),
        ("[0]: rank : 3 (local_rank: 1) exitcode : -9 (pid: 4242)", [4242]),
        ("Sending process 4242 closing signal SIGTERM", [4242]),
        ("-- Process 3 terminated with the following error:", []), ("process 0 terminated with signal SIGKILL", []),
        ("Process 3 of 8 exited", []), ("process 3 out of 8", []), ("process 3/8 is ready", []),
        ("jax.distributed.initialize(process_id=3, num_processes=8)", []),
        ("multi_process 7", []), ("process rank 3 with PID 4242 on node gpu-box", [4242]),
        // Python's names
        ("Process Process-3:", []), ("Process SpawnProcess-1:4:", []), ("Process ForkPoolWorker-2:", []),
        ("Process EngineCore_0:", []), ("SpawnPoolWorker-12", []),
        // Ray and vLLM
        ("(EngineCore_0 pid=4242) ERROR 11-05 10:00:00 core.py:708", [4242]),
        ("\u{1B}[1;36m(EngineCore_DP0 pid=4242)\u{1B}[0;0m ERROR", [4242]), ("\u{1B}[36mpid=4242\u{1B}[0m", [4242]),
        ("(raylet, ip=10.0.0.1) A worker died: worker_pid=4242, port 10002", [4242]),
        ("(train pid=4242, ip=10.0.0.1)", [4242]), (#"{"level": "error", "pid": 4242, "port": 8000}"#, [4242]),
        (#"{\"pid\":\"4242\"}"#, [4242]),
        // Lists
        ("PIDs: 1, 2 and 3", [1, 2, 3]), ("PIDs 4242 4243", [4242, 4243]), ("pids=[7, 8, 7]", [7, 8]),
        ("pid(s): 7; 8, and 9.", [7, 8, 9]), ("pids 7, 8 GiB", [7]),
        // The kernel
        (
            "amdgpu: [gfxhub] page fault (src_id:0 ring:24 vmid:7 pasid:32771, for process viewer pid 5044 thread viewer:cs0 pid 5072)",
            [5044]
        ),
        ("amdgpu: Process information: process Web Content pid 5044 thread Web Conten:cs0 pid 5072", [5044]),
        ("amdgpu: for process  pid 0 thread  pid 0)", []), ("(thread viewer:cs0 pid 5072)", [5072]),
        ("Killed process 4242 (python3) total-vm:123456kB, anon-rss:1kB", [4242]),
        ("Out of memory: Kill process 4242 (python) score 900 or sacrifice child", [4242]),
        ("oom-kill:constraint=CONSTRAINT_MEMCG,task=python3,pid=4242,uid=1000", [4242]),
        ("NVRM: Xid (PCI:0000:01:00): 31, pid=4242, name=python, Ch 00000008", [4242]),
        ("NVRM: Xid (PCI:0000:01:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.", []),
        ("NVRM: Xid (PCI:0000:01:00): 13, pid='4242', name=python", [4242]),
        (
            "[12345.678901] python3[4242]: segfault at 0 ip 00007f12 sp 00007ffc error 4 in libcuda.so[7f12+1000]",
            [4242]
        ),
        ("traps: python3[4242] general protection fault ip:7f12", [4242]),
        ("i915 0000:00:02.0: [drm] GPU HANG: ecode 12:1:85dffffb, in python3 [4242]", [4242]),
        ("xe 0000:03:00.0: [drm] Timedout job: seqno=4294967169, guc_id=4, flags=0x0 in python3 [4242]", [4242]),
        ("nouveau 0000:01:00.0: python3[4242]: failed to idle channel 2", [4242]),
        ("dockerd[1234]: container started", []),
        ("gpu-box:4242:4300 [0] NCCL INFO Bootstrap : Using eth0:10.0.0.1<0>", [4242]),
        ("gpu-box:4242:4300 [1] init.cc:500 NCCL WARN Cuda failure 'out of memory'", [4242]),
        ("gpu-box:8080 [0] NCCL INFO", []),
        // Other words
        ("PID 4242", [4242]), ("the pid is 4242.", [4242]), ("Process ID: 4242", [4242]), ("ProcessId=4242", [4242]),
        ("Main PID: 4242 (python3)", [4242]), ("[pid 4242] read(3", [4242]), ("pid #4242", [4242]),
        ("It was process 4242.", [4242]), ("process 4242's memory", [4242]), ("host-pid 4242", [4242]),
        ("Process 0", []), ("pid 4194304 and pid 4194305", [4_194_304]), ("pid 99999999999999999999", []),
        ("ppid=7 tgid=8 pidfd=9 kernel.pid_max 10 subprocess 11", []),
        // What is a size, a time, a date or an address
        ("2 GiB per process 4", []), ("each process 512 MiB", []), ("process 4242MiB", []), ("process 10.5 GiB", []),
        ("process 50%", []), ("process 12:30:01", []), ("pid 2024-05-01", []), ("pid: 10.0.0.1", []), ("pid 0x10", []),
        ("process 30 seconds", []), ("GPU 0 port 8080 rank 3", []), ("50%", []), ("10.5", []), ("", []), ("-7", []),
        // What counts, or bounds
        ("process 512 samples", []), ("Process 5 iterations", []), ("process 4242 has 3 samples", [4242]),
        ("max pid 32768", []), ("nr_pids 100", []), ("number of processes 4, 8", []), ("Processes: 312 total", []),
        ("pid file /run/x.pid 42", []), ("process.pid=4242", [4242]), ("process 4242 uses 3 GiB", [4242]),
        // Other keys and lists
        ("process_id=4242", [4242]), ("process-id: 4242", [4242]), ("process_id=3 world_size=8", []),
        ("Processes 4242, 4243", [4242, 4243]), ("processes 4242 and 4243 hold it", [4242, 4243]),
        ("PIDs 4242/4243", [4242, 4243]), ("pids 2024/05/01", []), ("PID: 4242, 4243", [4242, 4243]),
        ("pid 4242, 12 errors", [4242]), ("(pid=4242, 4243) died", [4242, 4243]),
        // The kernel's watchdogs, and its out-of-memory killer
        ("[123.4] INFO: task python3:4242 blocked for more than 120 seconds.", [4242]),
        ("INFO: task kworker/u8:2:77 blocked for more than 120 seconds.", [77]),
        ("watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [python3:4242]", [4242]),
        ("CPU: 3 PID: 4242 Comm: python3 Tainted: P", [4242]),
        // Numbers alone
        ("4242", [4242]), ("  [4242]", [4242]), ("> 4242\n> 4243", [4242, 4243]), (" 4242  4243 4242", [4242, 4243]),
        ("4242, 4243.", [4242, 4243]), ("- 4242\r\n- 4243\r\n", [4242, 4243]), ("4242 python3", []),
    ]

    @Test(
        "A message names its processes, and neither sizes, ranks, ports nor times are taken for them",
        arguments: messages)
    func message(_ text: String, _ expected: [UInt32]) {
        #expect(pids(inMessage: text) == expected, "\(text)")
    }

    static let tables: [(text: String, pids: [UInt32])] = [
        (
            """
            +-----------------------------------------------------------------------------------------+
            |   0  NVIDIA L4                      Off |   00000000:01:00.0 Off |                    0 |
            | N/A   45C    P0             30W /   72W |   10503MiB /  23034MiB |     99%      Default |
            | Processes:                                                                              |
            |  GPU   GI   CI              PID   Type   Process name                        GPU Memory |
            |        ID   ID                                                               Usage      |
            |=========================================================================================|
            |    0   N/A  N/A            4242      C   python3                               10500MiB |
            |    0     1    0            4243    C+G   /usr/bin/x 7                              3MiB |
            |  No running processes found                                                             |
            """, [4242, 4243]
        ), ("|    0      4242      C   python3                  10500MiB |", [4242]),
        ("> |    0   N/A  N/A      4242    M+C   python3      N/A |", [4242]),
        (
            "# gpu        pid  type    sm   mem\n    0       4242     C    34    12\n    1          -     -     -     -",
            [4242]
        ),
        ("/dev/nvidia0:         4242  4243m  4244F.m", []), ("/dev/nvidia0:         4242  4243m 4242", [4242, 4243]),
        (
            """
                                 USER        PID ACCESS COMMAND
            /dev/nvidia0:        root       4242 F...m python3
                                 mia     1234567 F.... python3
            """, [4242, 1_234_567]
        ), ("/dev/nvidiactl:  root  4242 F...m python3", [4242]), ("/srv/train.py: 12 errors", []),
        (
            """
            COMMAND   PID USER   FD   TYPE  DEVICE SIZE/OFF NODE NAME
            python3  4242 root  mem    CHR 195,255          1028 /dev/nvidiactl
            """, [4242]
        ), ("python3  4242 4250 python3 root  mem    CHR 195,255  1028 /dev/nvidia0", [4242]),
        (
            """
            USER         PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND
            root        4242 99.0  1.0 123456  7890 ?        Ssl  10:00   1:00 python3 -c 7
            averylongusername 4243 0 1.0 123456  7890 ?      Ssl  10:00   1:00 python3

            1 done
            """, [4242, 4243]
        ), ("    PID TTY          TIME CMD\n   4242 pts/0    00:00:01 bash", [4242]),
        ("pid, process_name, used_gpu_memory [MiB]\n4242, python3, 10500 MiB\n4243, x, 1 MiB", [4242, 4243]),
        ("gpu_uuid, pid\nGPU-1, 4242\nlast, line", [4242]),
        ("PID\tPROCESS NAME\tGPU(s)\tVRAM USED\n4242\tpython3\t1\t10500", [4242]),
        ("4242, python3, 10500 MiB\n4243, /usr/bin/x, 3 MiB", [4242, 4243]),
        ("GPU-1, 4242, python3, 10500 MiB", [4242]),
        ("1, NVIDIA L4, 23034 MiB", []), ("1, 23034 MiB", []), ("4242, 7, 23034 MiB", []),
        (
            """
            [12345.678901] [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name
            [12345.678902] [    812]     0   812    18000     3000   139264        0          -250 systemd-journal
            Nov 26 10:00:00 gpu-box kernel: [   4242]  1000  4242 12345678  2000000 16777216        0             0 python3
            """, [812, 4242]
        ),
        ("PID not found\n7 tries", []), ("PID USER\nroot was here\n4242 is not a row", []),
    ]

    @Test("A table's row of a megabyte is read in a moment")
    func longRow() {
        let row = String(repeating: "a ", count: 500_000)
        let start = ContinuousClock.now
        #expect(pids(inMessage: "\(String(repeating: " ", count: 1_000_000))USER PID\n\(row)").isEmpty)
        #expect(ContinuousClock.now - start < .seconds(10))
    }

    @Test("A pasted table names the processes of its rows", arguments: tables)
    func table(_ text: String, _ expected: [UInt32]) {
        #expect(pids(inMessage: text) == expected, "\(text)")
    }
}
