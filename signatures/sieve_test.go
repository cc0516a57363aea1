package signatures

import (
	"path/filepath"
	"testing"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/detect/detecttest"
	"github.com/tracee-go/tracee/types/protocol"
	"github.com/tracee-go/tracee/types/trace"
)

// behindSieve is a signature that is shown what its sieve lets through, as the engine does it.
type behindSieve struct {
	detect.Signature
	hidden *int
}

func (b behindSieve) OnEvent(event protocol.Event) error {
	if sieve, number := b.Signature.(detect.Sieved).Sieve(); sieve != nil {
		concerned, ok := sieve.Sift(event.Payload.(*trace.Event))
		if ok && concerned[number/64]&(1<<(number%64)) == 0 {
			*b.hidden++
			return nil
		}
	}
	return b.Signature.OnEvent(event)
}

func TestTheSieveHidesNothingThatIsFound(t *testing.T) {
	hidden := 0
	for i, d := range sorted() {
		t.Run(d.id, func(t *testing.T) {
			detecttest.Run(t, filepath.Join("testdata", d.id+".yaml"), func() detect.Signature { return behindSieve{All()[i], &hidden} })
		})
	}
	if hidden == 0 {
		t.Error("the sieve hides no event at all")
	}
}
