package detect

// Bounded is a Signature that ends each call by itself, soon, and remembers a bounded amount: it has nothing to wait for, or it
// cuts itself off. The engine calls it on the goroutine of the stream. Every other one is called on a goroutine of its own,
// on copies of events, so that it can be left behind; that costs a few microseconds a call.
type Bounded interface {
	Signature
	// Bounded does nothing: to have it is the promise.
	Bounded()
}
