import ContainerRuntimes
import Ledger

// Messages about engines and the docker client's configuration, field by field: add a new field both to the writer and to
// the reader.

extension WireWriter {
    mutating func engine(_ engine: ObservedEngine) {
        text(engine.runtime.rawValue)
        optional(engine.owner) { $0.number($1) }
        list(engine.containers) { writer, container in
            writer.text(container.id)
            for field in [container.name, container.image] { writer.optional(field) { $0.text($1) } }
            writer.list(container.labels.sorted { $0.key < $1.key }) { writer, label in
                writer.text(label.key)
                writer.text(label.value)
            }
        }
    }

    mutating func context(_ context: DockerContext) {
        text(context.name)
        text(context.file)
        switch context.endpoint {
        case .usual: number(UInt8(0))
        case .endpoint(let url):
            number(UInt8(1))
            text(url)
        case .missing(let folder):
            number(UInt8(2))
            text(folder)
        case .empty(let file):
            number(UInt8(3))
            text(file)
        case .unreadable(let why):
            number(UInt8(4))
            text(why)
        }
    }
}

extension WireReader {
    mutating func engine() throws(WireError) -> ObservedEngine {
        guard let runtime = Runtime(rawValue: try text()) else { throw WireError() }
        let owner: UInt32? = try optional { reader throws(WireError) in try reader.number() }
        let containers = try list { reader throws(WireError) in
            EngineContainer(
                id: try reader.text(), name: try reader.optionalText(), image: try reader.optionalText(),
                labels: try reader.table { reader throws(WireError) in
                    try reader.text()
                } value: {
                    reader throws(WireError) in
                    try reader.text()
                })
        }
        return ObservedEngine(runtime: runtime, containers: containers, owner: owner)
    }

    mutating func context() throws(WireError) -> DockerContext {
        DockerContext(name: try text(), file: try text(), endpoint: try contextEndpoint())
    }

    private mutating func contextEndpoint() throws(WireError) -> DockerContext.Endpoint {
        switch try number() as UInt8 {
        case 0: return .usual
        case 1: return .endpoint(try text())
        case 2: return .missing(folder: try text())
        case 3: return .empty(file: try text())
        case 4: return .unreadable(why: try text())
        default: throw WireError()
        }
    }
}
