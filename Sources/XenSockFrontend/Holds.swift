import CXenSockSystem
import XenSockPlatform
import XenSockRing

/// Descriptors that calls of this process wait on. In the kernel a blocked call holds its file, whatever becomes of the
/// number: so a close(2) that finds a call here first leaves it a duplicate, with which the call goes on and which ends
/// with it.
///
/// A slot belongs to the call that claimed it, until that ends. One that a call left behind (a cancelled thread, a jump
/// out of a signal handler) is reclaimed by its thread's next wait or by a close of the same number. With more calls than
/// slots the rest wait without.
enum Holds {
    private static var slots: UnsafeMutablePointer<xs_hold> { xs_get_holds() }

    /// What stands in a slot in the place of the descriptor.
    private enum Mark {
        static let none: UInt32 = 0xffff_ffff
        /// Somebody is about to close the descriptor, and duplicates it.
        static let moving: UInt32 = 0xffff_fffe
        /// The call's descriptor is the duplicate from now on.
        static let moved: UInt32 = 0xffff_fffd
    }

    /// Before a wait on `fd`.
    ///
    /// - Parameter thread: the caller's thread id.
    /// - Returns: the slot, or -1.
    static func begin(_ fd: Int32, thread: UInt32) -> Int32 {
        if thread == 0 || fd < 0 || Kernel.isLockedIn { return -1 }
        var tries: UInt32 = 0
        while tries < UInt32(XS_HOLDS) {
            let index = Int(thread &+ tries) % Int(XS_HOLDS)
            tries &+= 1
            let slot = slots + index
            let owner = SharedWord32(&slot.pointee.thread)
            if owner.load() == thread, xs_is_frame_alive(slot.pointee.frame) == 0 { free(slot) }
            guard owner.load() == 0, owner.compareExchange(0, thread) else { continue }
            slot.pointee.frame = xs_stack_pointer()
            slot.pointee.duplicate = -1
            SharedWord32(&slot.pointee.descriptor).storeOrdered(UInt32(bitPattern: fd))
            SharedWord32(xs_get_hold_count()).add(1)
            return Int32(index)
        }
        return -1
    }

    /// After a wait: what `fd` is now called.
    static func descriptor(_ index: Int32, _ fd: Int32) -> Int32 {
        guard index >= 0 else { return fd }
        let slot = slots + Int(index)
        return settled(slot) == Mark.moved ? slot.pointee.duplicate : fd
    }

    /// At the end of the call.
    ///
    /// - Returns: whether it had a duplicate, which was perhaps the last reference to the socket.
    @discardableResult
    static func end(_ index: Int32) -> Bool { index >= 0 ? free(slots + Int(index)) : false }

    /// The descriptor is about to be closed, or to become another.
    static func keep(_ fd: Int32) {
        if SharedWord32(xs_get_hold_count()).loadOrdered() == 0 || Session.isBorrowed { return }
        let own = UInt32(bitPattern: Kernel.threadID())
        var index = 0
        while index < Int(XS_HOLDS) {
            let slot = slots + index
            index &+= 1
            let descriptor = SharedWord32(&slot.pointee.descriptor)
            guard descriptor.loadOrdered() == UInt32(bitPattern: fd) else { continue }
            let thread = SharedWord32(&slot.pointee.thread).load()
            // What this thread waited on it has left, but for a handler that closes what it interrupted.
            if thread == own || thread == 0 { continue }
            let isAlive = Kernel.call(Int(SYS_tgkill), Int(Kernel.processID()), Int(thread), 0) == 0
            guard isAlive else {
                free(slot)
                continue
            }
            move(slot, fd)
        }
    }

    /// Gives the call of a slot a duplicate of `fd`, which is still open, unless it has one.
    static func move(_ index: Int32, _ fd: Int32) { move(slots + Int(index), fd) }

    private static func move(_ slot: UnsafeMutablePointer<xs_hold>, _ fd: Int32) {
        let descriptor = SharedWord32(&slot.pointee.descriptor)
        guard descriptor.compareExchange(UInt32(bitPattern: fd), Mark.moving) else { return }
        let duplicate = Kernel.fileControl(fd, Int32(F_DUPFD_CLOEXEC), Int(Descriptors.lowestPrivate))
        // Without one the call has nothing to go on with.
        slot.pointee.duplicate = duplicate < 0 ? -1 : Int32(duplicate)
        descriptor.storeOrdered(Mark.moved)
    }

    /// The slot's mark once no duplicate is in the making.
    private static func settled(_ slot: UnsafeMutablePointer<xs_hold>) -> UInt32 {
        let descriptor = SharedWord32(&slot.pointee.descriptor)
        var rounds = 0
        while true {
            let value = descriptor.loadOrdered()
            // After fork(2) nobody goes on with it.
            if value != Mark.moving || rounds > 100_000 { return value }
            rounds &+= 1
            xs_pause()
        }
    }

    @discardableResult
    private static func free(_ slot: UnsafeMutablePointer<xs_hold>) -> Bool {
        let descriptor = SharedWord32(&slot.pointee.descriptor)
        var value = settled(slot)
        while !descriptor.compareExchange(value, Mark.none) { value = settled(slot) }
        if value == Mark.none { return false }
        SharedWord32(xs_get_hold_count()).add(UInt32.max)
        let duplicate = slot.pointee.duplicate
        SharedWord32(&slot.pointee.thread).storeOrdered(0)
        guard value == Mark.moved else { return false }
        _ = Kernel.close(duplicate)
        return true
    }
}
