/// Where the stack lays down the frames for the guest.
///
/// A frame is laid down in place: `reserve` gives its memory, `commit` says that it is complete. Nothing else of the
/// stack or of the output is called between the two. A frame that was reserved and not committed never was.
public protocol FrameOutput: AnyObject {
    /// Memory for a frame of `count` bytes, from the header of Ethernet on, or `nil` when the link is full; then
    /// `NetworkStack.outputReady(at:)` must be called once it is not.
    func reserve(_ count: Int) -> UnsafeMutableRawBufferPointer?
    /// The frame last reserved is complete: its first `count` bytes.
    func commit(_ count: Int)
}
