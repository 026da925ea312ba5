import Foundation
import Testing
import XenSockWire

/// What docs/PROTOCOL.md says in tables and diagrams, compared with the code.
@Suite("The document")
struct DocumentTests {
    static let text: String? = {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return try? String(contentsOf: root.appending(path: "docs/PROTOCOL.md"), encoding: .utf8)
    }()

    /// The cells of all table rows between the heading that begins with `heading` and the next one.
    static func rows(_ heading: String) -> [[String]] {
        let lines = (text ?? "").split(separator: "\n", omittingEmptySubsequences: false)
        let section = lines.drop { !$0.hasPrefix(heading) }.dropFirst().prefix { !$0.hasPrefix("#") }
        return section.filter { $0.hasPrefix("|") }.map { line in
            line.dropFirst().dropLast().split(separator: "|", omittingEmptySubsequences: false).map {
                $0.trimmingCharacters(in: .whitespaces)
            }
        }
    }

    @Test("The error table lists what pvcalls1 carries, by the right names, and marks what the standard forgot")
    func errorTable() {
        var found: [Int32: String] = [:]
        var marked = Set<Int32>()
        for row in Self.rows("### 5.9") {
            for column in stride(from: 0, to: row.count - 1, by: 2) {
                let numbers = row[column].split(separator: ",").compactMap {
                    Int32($0.trimmingCharacters(in: CharacterSet(charactersIn: " *")))
                }
                let names = row[column + 1].split(separator: ",").map(String.init)
                for (number, name) in zip(numbers, names) {
                    found[number] = name.trimmingCharacters(in: CharacterSet(charactersIn: " *"))
                    if name.hasSuffix(" *") { marked.insert(number) }
                }
            }
        }
        #expect(Set(found.keys) == Set((Int32(1)...600).filter { WireError($0).isCarried(by: .pvcalls1) }))
        #expect(marked == Set(WireErrorTests.unavoidable))
        for (name, error) in namedErrors where error.isCarried(by: .pvcalls1) {
            #expect(found[error.number] == name)
        }
        #expect(found[524] == "ENOTSUP")
    }

    @Test("The command tables have the numbers and names of the code")
    func commandTables() {
        for (heading, dialect) in [("### 2.3", Dialect.xensock2), ("### 4.2", .draft1)] {
            var found: [UInt32: String] = [:]
            for row in Self.rows(heading) {
                if let number = UInt32(row[0]) { found[number] = row[1] }
            }
            let expected = Command.allCases.compactMap { command in
                command.number(in: dialect).map { ($0, "\(command)".uppercased()) }
            }
            #expect(found == Dictionary(uniqueKeysWithValues: expected))
        }
    }

    @Test("The nodes of the document are those of the code")
    func nodes() {
        let named = Set(
            Self.rows("### 5.1").flatMap { row in
                row[0].split(separator: ",").map { $0.trimmingCharacters(in: CharacterSet(charactersIn: " `")) }
            })
        let ours: [StaticString] = [
            Node.backend, Node.backendID, Node.state, Node.version, Node.ringReference, Node.port, Node.frontend,
            Node.frontendID, Node.online, Node.versions, Node.maximumPageOrder, Node.functionCalls,
        ]
        #expect(named.subtracting(["node"]).filter { !$0.hasPrefix("-") } == Set(ours.map(\.description)))
        for node in [Node.featureXenSock2, Node.xensock2, Node.argumentsReference, Node.error] {
            #expect(Self.text?.contains("`\(node)`") == true)
        }
    }
}
