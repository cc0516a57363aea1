// Package capture keeps what processes write, execute, load and send: artifacts, as files below a directory.
//
// Start from New. A Capturer is a stage of the stream: internal events of the kernel side tell it what happens, and it
// takes hold at once of what may be gone soon (a file by a descriptor of its own). One goroutine, the keeper, does
// whatever takes time: it copies, hashes, and records every artifact in manifest.jsonl as it goes, so that a crash at
// any moment leaves a manifest that is true. What could not be captured is recorded with the reason; the queue to the
// keeper is bounded, and what does not fit into it is recorded as lost.
//
// Nothing that a traced process controls leads out of the directory: names are made of the letters that are harmless,
// and every file is opened by os.Root. What the directory may hold is bounded by Quota.
package capture
