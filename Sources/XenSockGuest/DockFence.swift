/// What keeps programs from using a gntalloc descriptor for more than mapping its pages (docs/PROTOCOL.md, 3.7, "Who may
/// have pages directly").
public protocol DockFence: AnyObject {
    /// Sees to it that there is one.
    ///
    /// - Returns: nil if it holds, as a trial has shown, or else why not and what to do.
    func establish() -> String?

    /// Tries it.
    ///
    /// - Returns: nil if it holds.
    func fault() -> String?
}
