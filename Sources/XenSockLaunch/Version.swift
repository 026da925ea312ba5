/// The release of this source tree.
public let xensockVersion = "0.1.0"
