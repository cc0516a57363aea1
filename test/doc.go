// Package test proves on a running kernel what the catalogue promises: one trigger per event with all its argument
// values, every syscall that can be called without harm, floods, filters, and programs that a kernel refuses.
//
// Start from the table in triggers_test.go. A tracer never traces its own process, so a trigger runs in a child: the
// test binary once more (TestMain). The child knows what it does and sends what it expects to be seen; the test compares
// that with what was seen, value by value. Nothing waits for a time to pass: a child's last event is its exit.
//
// The tests need root, and no network but lo. go run ./test/kernels runs them on other kernels.
package test
