import Glibc
import Testing
import XenSockXen

@Suite struct ErrorTests {
    @Test func namesEachLimitAndHowToRaiseIt() {
        let expectations: [(XenCall, Int32, [String])] = [
            (.allocate, ENOSPC, ["/sys/module/xen_gntalloc/parameters/limit", "max_grant_frames"]),
            (.map, EINVAL, ["max_maptrack_frames", "has not granted"]),
            (.map, E2BIG, ["/sys/module/xen_gntdev/parameters/limit"]),
            (.bindUnbound, ENOSPC, ["max_event_channels"]),
            (.bindInterdomain, ENOSPC, ["max_event_channels"]),
            (.write, ENOSPC, ["--entry-nb", "--entry-size"]),
            (.makeDirectory, EDQUOT, ["--entry-nb"]),
            (.watch, E2BIG, ["--watch-nb"]),
            (.startTransaction, ENOSPC, ["--transaction"]),
            (.allocate, ENOMEM, ["memory"]),
            (.openAllocator, EMFILE, ["RLIMIT_NOFILE"]),
        ]
        for (call, errno, parts) in expectations {
            let text = XenError(call, errno: errno, subject: "it").description
            for part in parts { #expect(text.contains(part), "\(call), \(errno)") }
            #expect(text.hasPrefix("\(call.rawValue) (it): \(String(cString: strerror(errno)))"))
        }
    }

    @Test func saysWhatToDoWhereADeviceIsMissing() {
        #expect(XenError(.openMapper, errno: ENOENT).description.hasSuffix("modprobe xen-gntdev, on Xen"))
        #expect(XenError(.openAllocator, errno: ENOENT).description.hasSuffix("modprobe xen-gntalloc, on Xen"))
        #expect(XenError(.openChannels, errno: EACCES).description.hasSuffix("Xen's devices are root's"))
    }

    @Test func callsNothingALimitThatIsNone() {
        for call in XenCall.allCases { #expect(XenError(call, errno: EACCES).limits.isEmpty) }
        #expect(XenError(.read, errno: EINVAL).description == "XS_READ: Invalid argument")
        #expect(XenError(call: "something else", errno: ENOSPC).limits.isEmpty)
    }

    @Test func everyLimitSaysSomething() {
        for limit in XenLimit.allCases {
            #expect(!limit.meaning.isEmpty && !limit.remedy.isEmpty)
        }
    }

    @Test func theRealPlatformFailsWithoutXen() throws {
        guard access("/dev/xen/evtchn", F_OK) != 0 else { return }
        let xen = XenPlatform.system()
        #expect(throws: XenError(.openChannels, errno: ENOENT)) { try xen.channels() }
        #expect(throws: XenError(.openMapper, errno: ENOENT)) { try xen.mapper.map([8], of: 1) }
        #expect(throws: XenError(.openAllocator, errno: ENOENT)) { try xen.allocator.allocate(pages: 1, for: 0) }
        #expect(throws: XenError(.openStore, errno: ENOENT)) { try xen.store() }
        #expect(xen.allocator.limit == nil)
    }
}
