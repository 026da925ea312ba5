import Glibc
import Logging
import XenSockWire
import XenSockXen

/// The pages that the agent may grant, and how it shares them out: large rings while there is room, smaller ones then.
final class GrantBudget {
    private let allocator: any GrantAllocator
    private let log: Logger
    /// Of all processes of the guest; the agent is taken to be the only one that uses much.
    private(set) var limit: Int
    private var shares: Shares
    private var used: Int { shares.used }
    /// Given back by sessions, and still granted since a program maps them; with who is charged for them.
    private var held: [(pages: GrantAllocation, account: UInt32)] = []
    private var lookedAtHeld: UInt64 = 0
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
        shares = Shares("pages that the guest may grant", total: self.limit)
    }

    /// - Parameter account: the user in whose share they must be; nil: no share applies.
    /// - Throws: what the driver said, which names the limit, or that the share is used up.
    func allocate(pages: Int, for domain: DomainID, account: UInt32? = nil) throws(XenError) -> GrantAllocation {
        if let account {
            settle(wanted: pages, account)
            guard shares.room(for: account) >= pages else { throw shortage(of: account) }
        }
        do throws(XenError) {
            let allocation = try allocator.allocate(pages: pages, for: domain)
            shares.take(pages, account)
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
    func allocateRing(
        order: UInt32, for domain: DomainID, account: UInt32? = nil
    ) throws(XenError) -> GrantAllocation {
        var order = order
        let isExact = order >= DatagramRecord.minimumOrder
        if !isExact {
            order = max(1, min(order, roomyOrder))
            settle(wanted: 1 + 1 << Int(order), account)
            while order > Self.leastOrder, shares.room(for: account) < 1 + 1 << Int(order) { order -= 1 }
        }
        while true {
            do throws(XenError) {
                let allocation = try allocate(pages: 1 + 1 << Int(order), for: domain, account: account)
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
    ///
    /// - Parameters:
    ///   - account: as they were allocated.
    ///   - holder: who had their descriptor and may keep them mapped; is charged for them as long as anybody does. nil:
    ///     nobody had it.
    func free(_ allocation: GrantAllocation?, account: UInt32? = nil, holder: UInt32? = nil) {
        guard let allocation else { return }
        allocation.free()
        shares.give(allocation.pages, account)
        guard let holder, allocation.isHeld else { return }
        shares.take(allocation.pages, holder)
        held.append((allocation, holder))
    }

    /// Looks whether what was held is free now: ten times a second when it would help, or once.
    private func settle(wanted: Int, _ account: UInt32?) {
        let now = monotonicTime()
        // Each look asks the kernel about every one of them.
        let pause: UInt64 = shares.room(for: account) < wanted ? 100_000_000 : 1_000_000_000
        guard !held.isEmpty, now &- lookedAtHeld >= pause else { return }
        lookedAtHeld = now
        held.removeAll { pages, account in
            if pages.isHeld { return false }
            shares.give(pages.pages, account)
            return true
        }
    }

    private func shortage(of account: UInt32) -> XenError {
        if let line = shares.shortage(of: account, now: monotonicTime()) { log.warning("\(line) (--grant-limit)") }
        return XenError(call: "the share of user \(account) in granted pages", errno: ENOSPC)
    }
}
