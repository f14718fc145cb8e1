import Ledger

extension Target {
    static let pastedText = Target(
        name: "pasted", inputs: 300_000,
        corpus: Corpus(
            seeds: [
                "CUDA out of memory. Process 4242 has 10.50 GiB memory in use.\nDataLoader worker (pid(s) 18894, 18897) exited",
                "amdgpu: page fault (for process viewer pid 5044 thread viewer:cs0 pid 5072)\npython3[4242]: segfault at 0",
                "GPU HANG: ecode 12:1:85dffffb, in python3 [4242]\ngpu-box:4242:4300 [0] NCCL INFO\n\u{1B}[1;36m(pid=4242)\u{1B}[0m",
                "|    0   N/A  N/A      4242      C   python3                  10500MiB |\n# gpu pid type\n0 4242 C 34",
                "      USER        PID ACCESS COMMAND\n/dev/nvidia0: root 4242 F...m python3\n/dev/nvidia0: 4242 4243m",
                "COMMAND PID USER FD TYPE DEVICE SIZE NODE NAME\npython3 4242 root mem CHR 195,255 1 /dev/x\npid, name\n42, x",
            ],
            words: [
                "pid", "pids", "pid(s)", "process ", "thread ", "PID", "[", "]", ":", "|", ", ", " and ", "MiB", "NCCL",
                "\t", "\n",
            ])
    ) { input in
        let found = pids(inMessage: String(decoding: input, as: UTF8.self))
        if Set(found).count < found.count { return "a PID is told twice" }
        return found.contains { $0 == 0 || $0 > 4 << 20 } ? "a number that is no PID" : nil
    }
}
