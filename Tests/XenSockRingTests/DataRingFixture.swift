import XenSockTestSupport

@testable import XenSockRing

/// Both ends of both halves over one indexes page, each half one page.
final class DataRing {
    let memory = SharedPages(pages: 3)
    var inBack: InRingBack
    let inFront: InRingFront
    let outFront: OutRingFront
    var outBack: OutRingBack

    static var size: UInt32 { 4096 }

    var inData: UnsafeMutableRawPointer { memory.base + 4096 }
    var outData: UnsafeMutableRawPointer { memory.base + 8192 }
    var inProducer: IndexWord { IndexWord(memory.base + InProducer.offset) }
    var inConsumer: IndexWord { IndexWord(memory.base + InConsumer.offset) }
    var outProducer: IndexWord { IndexWord(memory.base + OutProducer.offset) }
    var outConsumer: IndexWord { IndexWord(memory.base + OutConsumer.offset) }

    init() {
        let base = memory.base
        inBack = InRingBack(indexes: base, data: base + 4096, size: Self.size)
        inFront = InRingFront(indexes: base, data: base + 4096, size: Self.size)
        outFront = OutRingFront(indexes: base, data: base + 8192, size: Self.size)
        outBack = OutRingBack(indexes: base, data: base + 8192, size: Self.size)
    }

    /// Publishes and consumes nothing: a program that sent `count` bytes.
    func send(_ count: UInt32) throws { _ = try outFront.publish(outFront.view(), count) }

    func flags(_ word: IndexWord) -> UInt32 { word.load().flags }
}
