// boot.S has no functions to call; SwiftPM wants a header.
