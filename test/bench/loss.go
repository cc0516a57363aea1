package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const lossOperations = 100_000

// measureLoss traces a burst of openat and close at full speed, printing it as JSON, and shows what got lost and what
// an event cost the tracer.
func measureLoss(_ context.Context, o options, r *report) error {
	w, err := startWorker()
	if err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	l, _ := lookupLoop("open+close")
	r.begin(fmt.Sprintf("loss: %d open+close at full speed, two events each, as JSON to /dev/null", lossOperations),
		"run", "delivered", "lost", "wall", "events/s", "tracer's CPU per event", "aim")
	for i := range min(o.rounds, 5) {
		t, err := selecting("burst", "openat", "close").begin(jsonTo(null))
		if err != nil {
			return err
		}
		cpu, wall := usage(unix.RUSAGE_SELF), time.Now()
		if _, err := w.run(l, lossOperations); err != nil {
			return err
		}
		took := time.Since(wall)
		stats, err := t.end()
		if err != nil {
			return err
		}
		cpu = usage(unix.RUSAGE_SELF) - cpu
		lost := stats.LostTotal()
		r.row(fmt.Sprint(i+1), fmt.Sprint(stats.Delivered), fmt.Sprint(lost), took.Round(time.Millisecond).String(),
			fmt.Sprintf("%.0f", 2*lossOperations/took.Seconds()),
			fmt.Sprintf("%d ns", cpu.Nanoseconds()/int64(max(1, stats.Delivered))), r.aim(float64(lost), 0, "%.0f"))
	}
	r.end()
	return w.close()
}
