import FoundationEssentials
import Ledger

/// An observation in a file: for a bug report, and to be replayed anywhere.
package struct Recording: Codable {
    /// Names the format, so that a file of something else is told apart.
    package var plimsollRecording: Int
    package var program: String
    package var observation: Observation

    package static let version = 1

    package init(_ observation: Observation, program: String) {
        plimsollRecording = Self.version
        self.program = program
        self.observation = observation.withoutPrivateLabels
    }

    private struct Header: Decodable {
        var plimsollRecording: Int
    }

    package static func read(_ path: String) throws(RecordingError) -> Observation {
        let data: Data
        do {
            data = try Data(contentsOf: URL(filePath: path))
        } catch {
            throw .unreadable(path: path, why: Self.reason(error))
        }
        guard let header = try? JSONDecoder().decode(Header.self, from: data) else { throw .notARecording(path: path) }
        guard header.plimsollRecording == version else {
            throw .otherVersion(path: path, version: header.plimsollRecording)
        }
        do {
            return try JSONDecoder().decode(Recording.self, from: data).observation
        } catch {
            throw .damaged(path: path)
        }
    }

    package func json() throws(RecordingError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        do {
            return try Array(encoder.encode(self)) + [UInt8(ascii: "\n")]
        } catch {
            throw .unreadable(path: "the recording", why: "it cannot be written as JSON")
        }
    }

    private static func reason(_ error: any Error) -> String {
        switch (error as? CocoaError)?.code {
        case .fileReadNoSuchFile: "there is no such file"
        case .fileReadNoPermission: "no permission to read it"
        default: "it cannot be read"
        }
    }
}

package enum RecordingError: Error, CustomStringConvertible {
    case unreadable(path: String, why: String)
    case notARecording(path: String)
    case otherVersion(path: String, version: Int)
    case damaged(path: String)

    package var description: String {
        switch self {
        case .unreadable(let path, let why): "\(path): \(why)"
        case .notARecording(let path): "\(path) is no recording of `plimsoll capture`"
        case .otherVersion(let path, let version):
            "\(path) is a recording of format \(version); this plimsoll reads format \(Recording.version)"
        case .damaged(let path): "\(path) is a recording that was cut short or changed: it cannot be read"
        }
    }
}

extension Observation {
    /// Labels are free text, and people keep passwords in them; the ledger needs Compose's two.
    fileprivate var withoutPrivateLabels: Observation {
        var copy = self
        let kept: Set = ["com.docker.compose.project", "com.docker.compose.service"]
        for engine in copy.engines.indices {
            for container in copy.engines[engine].containers.indices {
                copy.engines[engine].containers[container].labels =
                    copy.engines[engine].containers[container].labels.filter { kept.contains($0.key) }
            }
        }
        return copy
    }
}
