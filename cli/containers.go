package cli

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/tracee-go/tracee/container"
	"github.com/tracee-go/tracee/container/runtimes"
)

// containerOptions are the flags about names of containers.
type containerOptions struct {
	enrich bool
	crs    []string
	wait   time.Duration
}

func (o *containerOptions) add(flags *pflag.FlagSet) {
	flags.BoolVar(&o.enrich, "containers", false, "ask container runtimes for the names of containers, images and pods")
	flags.StringArrayVar(&o.crs, "crs", nil, "`runtime:socket` to ask, with --containers; may be repeated; 'help' says more")
	flags.DurationVar(&o.wait, "container-wait", container.Wait, "`duration` for which an event is held at most while --containers asks\n"+
		"about a new container; what is known later, container_enriched tells")
}

func (o *containerOptions) wantsHelp() bool { return slices.Equal(o.crs, []string{"help"}) }

// checkWait says whether events can be held for so long.
func (o *containerOptions) checkWait() error {
	if o.wait < 0 || o.wait > container.MaxWait {
		return fmt.Errorf("invalid value %s of --container-wait: from 0 to %s, e.g. %s", o.wait, container.MaxWait, container.Wait)
	}
	return nil
}

// sockets are those that the flags name, nil if those by custom are meant.
func (o *containerOptions) sockets(log *slog.Logger) ([]runtimes.Socket, error) {
	var sockets []runtimes.Socket
	for _, value := range o.crs {
		s, err := runtimes.Parse(value)
		if err != nil {
			return nil, err
		}
		sockets = append(sockets, s)
	}
	if len(sockets) > 0 && !o.enrich {
		log.Warn("--crs has no effect without --containers")
	}
	return sockets, nil
}

// sayUnnamed tells which runtimes did not tell about their containers.
func sayUnnamed(to io.Writer, prefix string, all []runtimes.Unnamed) {
	for _, u := range all {
		where := ""
		if u.Path != "" {
			where = " at " + u.Path
		}
		fmt.Fprintf(to, "%scontainers without a name, of %s%s: %s\n", prefix, u.Runtime, where,
			strings.Join(told(tally{u.Failed, "not told"}, tally{u.Unknown, "unknown to it"}), ", "))
	}
}
