import CXenSockSystem
import Foundation
import XenSockPlatform
import XenSockTestSupport
import XenSockWire

// Two processes hammer one memfd: 64 MiB each way through a data ring, with a real socket pair as placeholder and a real
// doorbell. Without arguments, or with a seed: starts both and compares what they say.
//
//     ring-stress [SEED]
//     ring-stress backend|frontend SEED      (descriptors 3: memory, 4: placeholder, 5: doorbell)

/// Descriptors as the roles find them.
enum Inherited {
    static let memory: Int32 = 3
    static let placeholder: Int32 = 4
    static let doorbell: Int32 = 5
}

func play(_ role: String, seed: UInt64) throws -> UInt64 {
    // Whatever hangs ends.
    alarm(120)
    let memory = SharedSocket(descriptor: Inherited.memory)
    if role == "backend" {
        var backend = BackendRole(
            memory: memory, placeholder: Inherited.placeholder, doorbell: Inherited.doorbell, seed: seed)
        return try backend.run()
    }
    let frontend = FrontendRole(
        memory: memory, placeholder: Inherited.placeholder, doorbell: Inherited.doorbell, seed: seed)
    return try frontend.run()
}

/// Starts a role with its descriptors at their numbers; its output goes to the pipe `output`.
func start(_ role: String, seed: UInt64, _ memory: Int32, _ placeholder: Int32, _ doorbell: Int32, output: Int32)
    -> pid_t
{
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (descriptor, number) in [(output, 1), (memory, 3), (placeholder, 4), (doorbell, 5)] as [(Int32, Int32)] {
        posix_spawn_file_actions_adddup2(&actions, descriptor, number)
    }
    var process: pid_t = 0
    let arguments: [UnsafeMutablePointer<CChar>?] = [strdup("ring-stress"), strdup(role), strdup(String(seed)), nil]
    defer { arguments.forEach { free($0) } }
    guard posix_spawn(&process, "/proc/self/exe", &actions, nil, arguments, environ) == 0 else {
        fail("cannot start the \(role)")
    }
    return process
}

/// A descriptor above those that the roles expect, closed at exec.
func high(_ descriptor: Int) -> Int32 {
    let result = Kernel.fileControl(Int32(descriptor), F_DUPFD_CLOEXEC, 20)
    if descriptor < 0 || result < 0 { fail("no descriptor") }
    _ = Kernel.close(Int32(descriptor))
    return Int32(result)
}

func runBoth(seed: UInt64) {
    let memory = high("ring".withCString { Kernel.call(Int(SYS_memfd_create), Int(bitPattern: $0), 1) })
    guard ftruncate(memory, SharedSocket.size) == 0 else { fail("no memory") }
    let pair = Kernel.socketPair(type: Int32(SOCK_STREAM.rawValue))
    let program = high(Int(pair.first))
    let service = high(Int(pair.second))
    var smallest: Int32 = 1
    _ = Kernel.setOption(program, SOL_SOCKET, SO_SNDBUF, &smallest, 4)
    let doorbell = high(Kernel.call(Int(SYS_eventfd2), 0, Int(O_NONBLOCK)))
    let line = SharedSocket(descriptor: memory).line
    line.storeBytes(of: StatusLine.State.connected.rawValue, toByteOffset: StatusLine.state, as: UInt32.self)
    line.storeBytes(of: SharedSocket.order, toByteOffset: StatusLine.order, as: UInt32.self)
    var pipes: [[Int32]] = []
    var processes: [pid_t] = []
    let began = Kernel.now()
    for (role, placeholder) in [("backend", service), ("frontend", program)] {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { fail("no pipe") }
        pipes.append(ends.map { high(Int($0)) })
        processes.append(start(role, seed: seed, memory, placeholder, doorbell, output: pipes.last![1]))
        _ = Kernel.close(pipes.last![1])
    }
    for descriptor in [program, service] { _ = Kernel.close(descriptor) }
    var results: [String] = []
    for (process, ends) in zip(processes, pipes) {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        if status != 0 { fail("seed \(seed): a role ended with status \(status)") }
        results.append(String(decoding: FileHandle(fileDescriptor: ends[0]).readDataToEndOfFile(), as: UTF8.self))
    }
    let expected = [Pattern.outbound, Pattern.inbound].map { pattern in
        var checksum = Checksum()
        var position = 0
        while position < SharedSocket.total {
            let run = pattern.run(at: position, limit: SharedSocket.total - position)
            checksum.add(run)
            position += run.count
        }
        return "\(checksum.value)\n"
    }
    if results != expected { fail("seed \(seed): checksums \(results), not \(expected)") }
    let milliseconds = (Kernel.now() - began) / 1_000_000
    print("seed \(seed): \(SharedSocket.total >> 20) MiB each way in \(milliseconds) ms")
}

let arguments = CommandLine.arguments
if arguments.count == 3, let seed = UInt64(arguments[2]) {
    print(try play(arguments[1], seed: seed))
} else {
    runBoth(seed: arguments.count == 2 ? UInt64(arguments[1]) ?? 1 : 1)
}
