import Logging
import XenSockWire
import XenSockXen

/// The pages that the agent may grant, and how it shares them out: large rings while there is room, smaller ones then.
final class GrantBudget {
    private let allocator: any GrantAllocator
    private let log: Logger
    /// Of all processes of the guest; the agent is taken to be the only one that uses much.
    private(set) var limit: Int
    private(set) var used = 0
    private var isShortageReported = false

    /// The least order of a stream's ring that the agent chooses itself: 32 KiB each way.
    static let leastOrder: UInt32 = 4

    /// - Parameter wanted: the limit to raise the driver's to, in pages; the driver's own stays if that fails.
    init(_ allocator: any GrantAllocator, wanted: Int, log: Logger) {
        self.allocator = allocator
        self.log = log
        if let limit = allocator.limit, limit >= 0, limit < wanted {
            do throws(XenError) {
                try allocator.raiseLimit(to: wanted)
            } catch {
                log.warning("the limit on granted pages stays at \(limit): \(error)")
            }
        }
        let limit = allocator.limit ?? 1024
        self.limit = limit < 0 ? Int.max / 2 : limit
    }

    /// - Throws: what the driver said; it names the limit.
    func allocate(pages: Int, for domain: DomainID) throws(XenError) -> GrantAllocation {
        do throws(XenError) {
            let allocation = try allocator.allocate(pages: pages, for: domain)
            used += pages
            isShortageReported = false
            return allocation
        } catch {
            if !isShortageReported { log.error("\(error)") }
            isShortageReported = true
            throw error
        }
    }

    /// The pages of a socket: the indexes page, which lists the others, and a ring of them.
    ///
    /// - Parameter order: from `DatagramRecord.minimumOrder` on it is that or nothing; else what there is room for.
    func allocateRing(order: UInt32, for domain: DomainID) throws(XenError) -> GrantAllocation {
        var order = order
        let isExact = order >= DatagramRecord.minimumOrder
        if !isExact { order = max(1, min(order, roomyOrder)) }
        while true {
            do throws(XenError) {
                let allocation = try allocate(pages: 1 + 1 << Int(order), for: domain)
                let page = allocation.base
                page.storeBytes(of: order, toByteOffset: IndexesPage.ringOrder, as: UInt32.self)
                for index in 0..<(allocation.pages - 1) {
                    page.storeBytes(
                        of: allocation.references[index + 1], toByteOffset: DataRingLayout.referenceOffset(page: index),
                        as: UInt32.self)
                }
                return allocation
            } catch {
                guard !isExact, order > Self.leastOrder else { throw error }
                order -= 1
            }
        }
    }

    /// How many of the smallest rings the limit has room for.
    var mostRings: UInt32 { UInt32(clamping: limit / (1 + 1 << Int(Self.leastOrder))) }

    private var roomyOrder: UInt32 {
        if used < limit / 2 { return 6 }
        return used < limit / 4 * 3 ? 5 : Self.leastOrder
    }

    /// Gives pages back. The kernel keeps them until the backend has unmapped them.
    func free(_ allocation: GrantAllocation?) {
        guard let allocation else { return }
        used -= allocation.pages
        allocation.free()
    }
}
