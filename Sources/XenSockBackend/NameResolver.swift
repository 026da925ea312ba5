/// Resolves names away from the reactor's thread. All methods are called on the reactor's thread only.
public protocol NameResolver: AnyObject {
    /// An eventfd (or another descriptor) that polls readable while results wait to be taken; the resolver owns it. The
    /// reactor watches it level-triggered.
    var completionDescriptor: Int32 { get }

    /// Begins to resolve a query record (docs/PROTOCOL.md, 2.4).
    ///
    /// - Parameters:
    ///   - query: the whole record, 8 to 4096 bytes; its `length` word equals the count, everything else is the
    ///     frontend's and not checked. Valid during the call only.
    ///   - completion: names the result. Unique among all queries of the service's life.
    ///   - asker: for whom; one asker's queries do not keep others' waiting.
    /// - Returns: 0, or a positive errno when no query can be taken now (EAGAIN); no result follows then.
    func start(query: UnsafeRawBufferPointer, completion: UInt64, asker: UInt64) -> Int32

    /// The result of `completion` is not wanted any more. It may come nevertheless.
    func cancel(completion: UInt64)

    /// Hands out all results that wait and makes `completionDescriptor` not readable.
    ///
    /// - Parameter body: gets the completion and the answer record, at most 65536 bytes.
    func takeResults(_ body: (UInt64, [UInt8]) -> Void)
}

/// Resolves nothing: every query is refused with EOPNOTSUPP.
public final class NoResolver: NameResolver {
    public init() {}

    public var completionDescriptor: Int32 { -1 }
    public func start(query: UnsafeRawBufferPointer, completion: UInt64, asker: UInt64) -> Int32 { 95 }
    public func cancel(completion: UInt64) {}
    public func takeResults(_ body: (UInt64, [UInt8]) -> Void) {}
}
