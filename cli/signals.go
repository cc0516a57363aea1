package cli

import (
	"context"
	"log/slog"
	"os"
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

// tellPauses says when somebody lets the command go on: it was stopped before, and saw nothing. That it is stopped it can not tell.
// Service managers and timeout(1) send SIGCONT with the signal that ends it: that is no news.
func tellPauses(ctx context.Context, log *slog.Logger) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGCONT)
	go func() {
		defer signal.Stop(signals)
		for {
			select {
			case <-signals:
				select {
				case <-ctx.Done():
					return
				case <-time.After(twice):
				}
				log.Warn("tracee was told to go on (SIGCONT), as after it was stopped: what happened meanwhile comes late, or is lost")
			case <-ctx.Done():
				return
			}
		}
	}()
}
