import Glibc

/// A node of the simulated XenStore.
struct SimulatedNode {
    var value = ""
    var owner: DomainID
    /// Who may read beside the owner and the control domain.
    var readers: [DomainID]
    var children: Set<String> = []
}

/// A change to XenStore, with absolute paths.
enum SimulatedChange {
    case write(String, String)
    case makeDirectory(String)
    case remove(String)
    case setPermissions(String, owner: DomainID, readers: [DomainID])
}

/// XenStore's nodes and who may do what with them, as xenstored has it. A value: a transaction works on a copy.
struct SimulatedStoreTree {
    private(set) var nodes: [String: SimulatedNode] = ["/": SimulatedNode(owner: .control, readers: [])]

    enum Access {
        case read, write
    }

    // MARK: Paths

    /// Whether `path` is `ancestor` or a node somewhere under it.
    static func isPath(_ path: String, under ancestor: String) -> Bool {
        path == ancestor || ancestor == "/" || path.hasPrefix(ancestor + "/")
    }

    static func parent(of path: String) -> String {
        let end = path.lastIndex(of: "/") ?? path.startIndex
        return end == path.startIndex ? "/" : String(path[..<end])
    }

    private static func name(of path: String) -> String { String(path[path.index(after: path.lastIndex(of: "/")!)...]) }

    /// xenstored's is_valid_nodename.
    static func isValid(_ path: String) -> Bool {
        guard path.utf8.first == UInt8(ascii: "/"), path.utf8.count <= XenStoreLimits.absolutePath else { return false }
        if path == "/" { return true }
        return path.utf8.last != UInt8(ascii: "/") && !path.contains("//")
            && path.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "/"), UInt8(ascii: "_"),
                    UInt8(ascii: "@"):
                    true
                default: false
                }
            }
    }

    // MARK: Permissions

    /// 0, EACCES, or ENOENT; whoever may not look at the nearest node above is not told that one is missing.
    func check(_ access: Access, _ path: String, by domain: DomainID) -> Int32 {
        if let node = nodes[path] { return Self.may(access, node, domain) ? 0 : EACCES }
        var ancestor = Self.parent(of: path)
        while nodes[ancestor] == nil { ancestor = Self.parent(of: ancestor) }
        return Self.may(access, nodes[ancestor]!, domain) ? ENOENT : EACCES
    }

    private static func may(_ access: Access, _ node: SimulatedNode, _ domain: DomainID) -> Bool {
        domain == .control || node.owner == domain || (access == .read && node.readers.contains(domain))
    }

    /// Whether a watch of `domain` fires for a change of `path`: it may read the node or the one above.
    func isVisible(_ path: String, to domain: DomainID) -> Bool {
        [path, Self.parent(of: path)].contains { nodes[$0].map { Self.may(.read, $0, domain) } ?? false }
    }

    func nodes(of owner: DomainID) -> Int { nodes.values.reduce(0) { $0 + ($1.owner == owner ? 1 : 0) } }

    // MARK: Changes

    /// Makes a change for `domain`, without looking at its quota.
    ///
    /// - Returns: an error number, or 0.
    mutating func apply(_ change: SimulatedChange, by domain: DomainID) -> Int32 {
        switch change {
        case .write(let path, let value):
            let errno = check(.write, path, by: domain)
            guard errno == 0 || errno == ENOENT else { return errno }
            make(path, by: domain)
            nodes[path]!.value = value
        case .makeDirectory(let path):
            let errno = check(.write, path, by: domain)
            guard errno == 0 || errno == ENOENT else { return errno }
            make(path, by: domain)
        case .remove(let path):
            guard path != "/" else { return EINVAL }
            let errno = check(.write, path, by: domain)
            if errno == ENOENT { return 0 }
            guard errno == 0 else { return errno }
            nodes[Self.parent(of: path)]!.children.remove(Self.name(of: path))
            removeAll(path)
        case .setPermissions(let path, let owner, let readers):
            let errno = check(.write, path, by: domain)
            guard errno == 0 else { return errno }
            guard domain == .control || nodes[path]!.owner == domain else { return EACCES }
            guard domain == .control || owner == domain else { return EPERM }
            nodes[path]!.owner = owner
            nodes[path]!.readers = readers
        }
        return 0
    }

    /// A new node has its parent's permissions; what a guest makes is the guest's.
    private mutating func make(_ path: String, by domain: DomainID) {
        guard nodes[path] == nil else { return }
        let parent = Self.parent(of: path)
        make(parent, by: domain)
        nodes[parent]!.children.insert(Self.name(of: path))
        let above = nodes[parent]!
        nodes[path] = SimulatedNode(owner: domain == .control ? above.owner : domain, readers: above.readers)
    }

    private mutating func removeAll(_ path: String) {
        guard let node = nodes.removeValue(forKey: path) else { return }
        for child in node.children { removeAll(path + "/" + child) }
    }

    // MARK: What the toolstack makes

    mutating func makeControlDirectories() {
        for path in ["/tool", "/local/domain", "/vm", "/libxl"] { make(path, by: .control) }
    }

    /// A domain's directory as libxl makes it: the guest writes under some of its nodes only.
    mutating func makeDomainDirectories(_ domain: DomainID) {
        let readers = domain == .control ? [] : [domain]
        for name in ["", "/device", "/control", "/cpu", "/memory", "/backend"] {
            let path = domain.path + name
            make(path, by: .control)
            nodes[path]!.readers = readers
        }
        for name in ["/data", "/drivers", "/feature", "/attr", "/error", "/control/shutdown", "/device/suspend"] {
            make(domain.path + name, by: .control)
            nodes[domain.path + name]!.owner = domain
            nodes[domain.path + name]!.readers = []
        }
        _ = apply(.write(domain.path + "/domid", domain.description), by: .control)
        _ = apply(.write(domain.path + "/name", domain == .control ? "Domain-0" : "guest-\(domain)"), by: .control)
    }
}
