package cli

import (
	"context"
	"os/signal"
	"syscall"
	"time"

	"github.com/tracee-go/tracee/internal/patient"
)

// twice is the time within which two signals are one: timeout(1) sends one to its child, and one to all of the group that
// the child is in.
const twice = 100 * time.Millisecond

// untilSignal is a context that a signal ends, from which on there is limited patience with those who read the output. A
// second signal ends the command at once.
func untilSignal(limit *patient.Limit) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, func() {
		limit.Begin()
		time.AfterFunc(twice, stop)
	})
	return ctx, stop
}
