package cli

import (
	"context"
	"os/signal"
	"syscall"
	"time"
)

// twice is the time within which two signals are one: timeout(1) sends one to its child, and one to all of the group that
// the child is in.
const twice = 100 * time.Millisecond

// untilSignal is a context that a signal ends. A second signal ends the command, even if nobody takes its output.
func untilSignal() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, func() { time.AfterFunc(twice, stop) })
	return ctx, stop
}
