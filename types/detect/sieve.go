package detect

import "github.com/tracee-go/tracee/types/trace"

// Sieve knows for several signatures which of them an event can concern. It is asked once for each event; of the signatures
// that share it, only those are called.
type Sieve interface {
	// Sift returns a bit for each signature, by its number: whether it is to see the event. With ok false, all are. The
	// answer is valid until the next question.
	Sift(e *trace.Event) (concerned []uint64, ok bool)
}

// Sieved is a Signature that shares a sieve with others. A nil sieve is none.
type Sieved interface {
	Sieve() (sieve Sieve, number int)
}
