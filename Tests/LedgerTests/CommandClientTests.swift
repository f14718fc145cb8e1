import Testing

@testable import Ledger

/// Which commands ask somebody else to start what they are for, and what they name.
struct CommandClientTests {
    private func client(_ line: String) -> CommandClient? {
        CommandClient(line.split(separator: " ").map(String.init))
    }

    @Test(
        "An engine's client is recognized, with the name that it gives or means",
        arguments: [
            ("docker run alpine", .docker, .run(name: nil)),
            ("docker run --rm --name trainer alpine", .docker, .run(name: "trainer")),
            ("docker run --name=trainer --gpus all alpine", .docker, .run(name: "trainer")),
            ("docker run -it --rm -v /a:/b --name trainer alpine sh", .docker, .run(name: "trainer")),
            ("docker run -itv /a:/b --name trainer alpine", .docker, .run(name: "trainer")),
            ("docker run -d=true --name trainer alpine", .docker, .run(name: "trainer")),
            ("docker run -p8080:80 --name trainer alpine", .docker, .run(name: "trainer")),
            ("docker run -- alpine --name other", .docker, .run(name: nil)),
            ("docker run alpine --name other", .docker, .run(name: nil)),
            ("docker run -e --name alpine", .docker, .run(name: nil)),
            ("docker run --env --name --name mine alpine", .docker, .run(name: "mine")),
            ("docker run --name= alpine", .docker, .run(name: nil)),
            ("docker container run --name trainer alpine", .docker, .run(name: "trainer")),
            ("/usr/bin/docker run --name trainer alpine", .docker, .run(name: "trainer")),
            ("docker -D --log-level debug run --name trainer alpine", .docker, .run(name: "trainer")),
            ("docker exec -it trainer nvidia-smi", .docker, .exec("trainer")),
            ("docker exec -u 0 -e A=b trainer sh -c x", .docker, .exec("trainer")),
            ("docker container exec trainer sh", .docker, .exec("trainer")),
            ("docker start -a trainer", .docker, .start(["trainer"])),
            ("docker start -ai trainer", .docker, .start(["trainer"])),
            ("docker start a b", .docker, .start(["a", "b"])),
            ("docker compose up", .docker, .compose(project: nil)),
            ("docker compose -f x.yaml -p lab run --rm train", .docker, .compose(project: "lab")),
            ("docker compose --project-name=lab up -d", .docker, .compose(project: "lab")),
            ("docker-compose -p lab up", .docker, .compose(project: "lab")),
            ("podman run --name trainer alpine", .podman, .run(name: "trainer")),
            ("podman --remote --url unix:///x run --replace --name trainer alpine", .podman, .run(name: "trainer")),
            ("podman exec trainer ls", .podman, .exec("trainer")),
            ("nerdctl -n k8s.io run --name trainer alpine", .nerdctl, .run(name: "trainer")),
        ] as [(String, CommandClient.Program, CommandClient.Action)])
    func engines(_ line: String, _ program: CommandClient.Program, _ action: CommandClient.Action) {
        #expect(client(line)?.program == program)
        #expect(client(line)?.action == action)
    }

    @Test(
        "Behind what runs another program in its place it is the same",
        arguments: [
            "sudo", "sudo -E", "sudo -u root -g docker", "sudo --user=root A=b", "sudo -nE --", "doas -u root",
            "env A=b", "env -i -u HOME A=b C=d", "/usr/bin/env", "nice", "nice -n 5", "nice -10", "ionice -c 3",
            "nohup", "setsid -w", "stdbuf -oL", "time -v", "timeout -k 5 1h", "sudo env A=b nice -n 5",
        ])
    func wrapped(_ wrapper: String) {
        #expect(client("\(wrapper) docker run --name trainer alpine")?.action == .run(name: "trainer"))
    }

    @Test(
        "systemd-run starts a service, but for --scope",
        arguments: [
            ("systemd-run --wait python3 train.py", .unit(nil)),
            ("systemd-run --wait --unit train python3 train.py", .unit("train.service")),
            ("systemd-run -u train.service -p A=b --user python3", .unit("train.service")),
            ("systemd-run --unit=train -tP python3 --unit other", .unit("train.service")),
            ("sudo systemd-run --pipe --slice a.slice python3", .unit(nil)),
        ] as [(String, CommandClient.Action)])
    func services(_ line: String, _ action: CommandClient.Action) {
        #expect(client(line)?.program == .systemd)
        #expect(client(line)?.action == action)
    }

    @Test(
        "Other commands ask nobody, and what cannot be told is not guessed",
        arguments: [
            "python3 train.py", "docker", "docker ps", "docker pull alpine", "docker build .", "docker compose ps",
            "docker container ls", "docker exec", "podman images", "sh -c docker", "sudo", "env A=b", "dockerd run",
            "env -S docker\\_run", "systemd-run --scope python3", "systemd-run -M box python3", "my-docker run alpine",
            "",
        ])
    func others(_ line: String) {
        #expect(client(line) == nil, "\(line)")
    }

    @Test("The engine that the words name is kept, to be asked and not to be shown")
    func engine() {
        #expect(client("docker --context lab run alpine")?.engine == .init(context: "lab"))
        #expect(client("docker -clab run alpine")?.engine == .init(context: "lab"))
        #expect(client("docker -H unix:///x run alpine")?.engine == .init(hosts: ["unix:///x"]))
        #expect(client("env DOCKER_HOST=unix:///x docker run alpine")?.engine == .init(hosts: ["unix:///x"]))
        #expect(client("sudo DOCKER_CONTEXT=lab docker run alpine")?.engine == .init(context: "lab"))
        #expect(client("podman --url unix:///x run alpine")?.engine == .init(hosts: ["unix:///x"]))
        #expect(client("podman -c lab run alpine")?.engine == .init())
        #expect(client("docker run -e DOCKER_HOST=x alpine")?.engine == .init())
    }

    @Test("Of a cgroup's text the services that the path goes through, of either version")
    func serviceNames() {
        #expect(ServiceUnit.names(cgroup: "0::/system.slice/run-u7.service\n") == ["run-u7.service"])
        #expect(
            ServiceUnit.names(cgroup: "0::/user.slice/user-1.slice/user@1.service/app.slice/run-r1.service/sub")
                == ["user@1.service", "run-r1.service"])
        #expect(
            ServiceUnit.names(cgroup: "4:memory:/a.service\n1:name=systemd:/system.slice/train.service")
                == ["train.service"])
        #expect(ServiceUnit.isTransient("run-p1-i2.service"))
        #expect(!ServiceUnit.isTransient("runner.service"))
    }
}
