import Testing
import XenSockTestSupport
import XenSockWire

@Suite("Datagram records")
struct DatagramRecordTests {
    @Test("A head comes back as it went in, whatever the lengths")
    func roundTrip() {
        for payload: UInt32 in [0, 1, 7, 8, 9, 1472, 65507, 65535] {
            for (address, control) in [(0, 0), (16, 0), (28, 64), (128, 1024), (1, 1)] as [(UInt32, UInt32)] {
                let record = DatagramRecord(
                    payload: payload, address: address, control: control, flags: 0x8884, options: 1)
                #expect(DatagramRecord(words: record.words, available: record.size) == record)
                #expect(DatagramRecord(words: record.words, available: record.size - 1) == nil)
                #expect(record.size % 8 == 0)
                #expect(record.size <= DatagramRecord.maximumSize)
                #expect(record.addressOffset >= DatagramRecord.headSize + payload)
                #expect(record.controlOffset >= record.addressOffset + address)
                #expect(record.size >= record.controlOffset + control)
            }
        }
    }

    @Test("The largest record fits twice into a half of the smallest ring")
    func order() {
        #expect(2 * DatagramRecord.maximumSize <= 2048 << DatagramRecord.minimumOrder)
        #expect(2 * DatagramRecord.maximumSize > 2048 << (DatagramRecord.minimumOrder - 1))
    }

    @Test("Lengths out of bounds, and a length that is not the parts' sum, are none")
    func bounds() {
        let good = DatagramRecord(payload: 100, address: 16, control: 32, flags: 0).words
        let all = UInt32.max
        #expect(DatagramRecord(words: good, available: all) != nil)
        #expect(DatagramRecord(words: (good.0 + 1, good.1, good.2), available: all) == nil)
        #expect(DatagramRecord(words: (good.0 - 8, good.1, good.2), available: all) == nil)
        #expect(DatagramRecord(words: (good.0, good.1 | 2 << 32, good.2), available: all) == nil)
        for (payload, address, control) in [
            (65536, 0, 0), (.max, 0, 0), (0, 129, 0), (0, .max, 0), (0, 0, 1025), (0, 0, .max), (.max, .max, .max),
        ] as [(UInt32, UInt32, UInt32)] {
            for total in [24, 0, all, UInt32(24) &+ payload &+ address &+ control] {
                let words = (UInt64(payload) << 32 | UInt64(total), UInt64(0), UInt64(control) << 32 | UInt64(address))
                #expect(DatagramRecord(words: words, available: all) == nil)
            }
        }
    }

    @Test("No head makes the reader believe in more than there is")
    func random() {
        var random = SeededGenerator(seed: 7)
        var accepted = 0
        for _ in 0..<200_000 {
            func length(_ limit: Int) -> UInt64 { UInt64(random.oneIn(8) ? Int(UInt32.max) : random.below(limit)) }
            let (payload, address, control) = (length(200), length(40), length(60))
            let sum = 24 + (payload + 7) / 8 * 8 + (address + 7) / 8 * 8 + (control + 7) / 8 * 8
            let total = random.oneIn(2) ? sum & 0xffff_ffff : UInt64(random.below(400))
            let available = UInt32(random.below(400))
            let words = (payload << 32 | total, UInt64(random.below(4)) << 32, control << 32 | address)
            guard let record = DatagramRecord(words: words, available: available) else { continue }
            accepted += 1
            guard record.size <= available, UInt64(record.size) == total, total == sum else {
                Issue.record("accepted \(words) of \(available)")
                return
            }
        }
        #expect(accepted > 1000)
    }
}
