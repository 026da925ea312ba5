import Testing
import XenSockWire

@Suite("Error numbers")
struct WireErrorTests {
    /// The numbers that PV Calls lists, then those that TCP cannot do without.
    static let listed: [Int32] =
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 18, 19, 21, 22, 23, 24, 28, 30, 31, 33, 34, 35, 36]
        + [37, 38, 39, 61, 62, 74, 75, 84, 85, 88, 95, 97, 98, 99, 105, 106, 107, 110, 524]
    static let unavoidable: [Int32] = [20, 32, 71, 90, 93, 100, 101, 103, 104, 111, 112, 113, 114, 115]

    @Test("PV Calls' list and TCP's own errors are carried by pvcalls1, and nothing else")
    func pvcalls1() {
        let carried = (-10...600).filter { WireError(Int32($0)).isCarried(by: .pvcalls1) }.map { Int32($0) }
        #expect(carried == (Self.listed + Self.unavoidable).sorted())
    }

    @Test("The first draft carries the same without ENOTSUP, and xensock2 Linux's whole table")
    func others() {
        let draft1 = (-10...600).filter { WireError(Int32($0)).isCarried(by: .draft1) }.map { Int32($0) }
        #expect(draft1 == (Self.listed + Self.unavoidable).sorted().filter { $0 != 524 })
        let xensock2 = (-10...600).filter { WireError(Int32($0)).isCarried(by: .xensock2) }
        #expect(xensock2 == Array(1...133) + [524])
    }

    @Test("An error that is carried survives the wire", arguments: dialects)
    func roundTrip(dialect: Dialect) {
        for number in Int32(1)...524 where WireError(number).isCarried(by: dialect) {
            let wire = WireError.toWire(-number, in: dialect)
            #expect(WireError.fromWire(wire) == (number == 524 ? -95 : -number))
        }
        #expect(WireError.toWire(0, in: dialect) == 0)
        #expect(WireError.fromWire(0) == 0)
    }

    @Test("What is not carried goes out as EIO", arguments: dialects)
    func uncarried(dialect: Dialect) {
        for ret: Int32 in [1, .max, .min, -134, -512, -525, -15 * (dialect == .xensock2 ? 100 : 1)] {
            #expect(WireError.toWire(ret, in: dialect) == -5)
        }
    }
}
