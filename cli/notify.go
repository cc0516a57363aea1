package cli

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/tracee-go/tracee"
)

// serviceManager is who started this process and wants to be told how it is, by sd_notify(3). The zero value wants nothing.
type serviceManager struct {
	socket   string
	watchdog time.Duration // it wants a sign of life this often; 0: none
	log      *slog.Logger
}

func askedToNotify(log *slog.Logger) *serviceManager {
	m := &serviceManager{socket: os.Getenv("NOTIFY_SOCKET"), log: log}
	pid, given := os.LookupEnv("WATCHDOG_PID")
	microseconds, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if m.socket != "" && err == nil && (!given || pid == strconv.Itoa(os.Getpid())) {
		m.watchdog = time.Duration(microseconds) * time.Microsecond
	}
	return m
}

// watch is how the manager is shown signs of life: as long as the run moves, until the context ends. It returns the progress to keep up to date,
// a new one if there is none and it is needed.
func (m *serviceManager) watch(ctx context.Context, p *tracee.Progress) *tracee.Progress {
	if m.watchdog <= 0 {
		return p
	}
	if p == nil {
		p = new(tracee.Progress)
	}
	go func() {
		ticks := time.NewTicker(m.watchdog / 2)
		defer ticks.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticks.C:
			}
			if err := stalled(p); err != nil && !p.Moved().IsZero() {
				m.log.Warn("the service manager is shown no sign of life", "reason", err)
				continue
			}
			m.tell("WATCHDOG=1")
		}
	}()
	return p
}

// tell sends a state. That nobody listens is nobody's concern.
func (m *serviceManager) tell(state string) {
	if m.socket == "" {
		return
	}
	connection, err := net.Dial("unixgram", m.socket)
	if err != nil {
		m.log.Info("the service manager does not listen", "socket", m.socket, "error", err)
		return
	}
	defer connection.Close()
	if _, err := connection.Write([]byte(state)); err != nil {
		m.log.Info("the service manager does not listen", "socket", m.socket, "error", err)
	}
}
