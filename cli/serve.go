package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/pflag"

	"github.com/tracee-go/tracee"
)

// serveOptions are the flags about what is served by HTTP. All of it is on loopback unless an address says otherwise.
type serveOptions struct {
	metrics, healthz, pprof bool
	address                 string
	pprofAddress            string            // empty: the same
	header                  func(http.Header) // what /healthz tells beside; nil: nothing
}

// Where the commands serve, as in v0.8, but on loopback only.
const (
	ebpfAddress  = "127.0.0.1:3366"
	rulesAddress = "127.0.0.1:4466"
	pprofAddress = "127.0.0.1:7777" // of tracee-rules
)

func (o *serveOptions) add(flags *pflag.FlagSet, address string) {
	flags.BoolVar(&o.metrics, "metrics", false, "serve Prometheus metrics at /metrics")
	flags.BoolVar(&o.healthz, "healthz", false, "serve /healthz, which fails when events do not move any more")
	flags.BoolVar(&o.pprof, "pprof", false, "serve profiles of this program at /debug/pprof/")
	flags.StringVar(&o.address, "listen-addr", address, "`address` to serve at; ':port' is all interfaces (also --metrics-addr)")
}

// addPprofAddress is for the command that has profiles at an address of their own.
func (o *serveOptions) addPprofAddress(flags *pflag.FlagSet) {
	flags.StringVar(&o.pprofAddress, "pprof-addr", pprofAddress, "`address` to serve profiles at")
}

// check finds out before anything is started whether the addresses can be meant.
func (o *serveOptions) check() error {
	for flag, address := range map[string]string{"listen-addr": o.address, "pprof-addr": o.pprofAddress} {
		if flag == "pprof-addr" && address == "" {
			continue
		}
		if _, err := net.ResolveTCPAddr("tcp", address); err != nil {
			return fmt.Errorf("invalid address %q for --%s: %w (want host:port, as %s)", address, flag, reason(err), ebpfAddress)
		}
	}
	return nil
}

// reason leaves out of an error what the message around it says already.
func reason(err error) error {
	var address *net.AddrError
	var operation *net.OpError
	var path *os.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &address):
		return errors.New(address.Err)
	case errors.As(err, &operation):
		return operation.Err
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	default:
		return err
	}
}

// server serves what the flags ask for. The zero value serves nothing.
type server struct {
	log      *slog.Logger
	running  []*http.Server
	finished []chan struct{}
}

// ofRun serves what is known of a run, and more that is counted. The run keeps the progress up to date, which costs a look
// at all counters each second: it is nil if nobody asks.
func (o *serveOptions) ofRun(log *slog.Logger, more ...prometheus.Collector) (*tracee.Progress, *server, error) {
	p := new(tracee.Progress)
	s, err := o.serve(append(more, ebpfMetrics(p)), func() error { return stalled(p) }, log)
	if !o.metrics && !o.healthz {
		p = nil
	}
	return p, s, err
}

// serve begins to serve. What is to be counted and whether all is well, the callers say.
func (o *serveOptions) serve(counted []prometheus.Collector, health func() error, log *slog.Logger) (*server, error) {
	s := &server{log: log}
	shared := http.NewServeMux()
	if o.metrics {
		registry := prometheus.NewRegistry()
		counted = append(counted, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
		for _, c := range counted {
			registry.MustRegister(c)
		}
		shared.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	}
	if o.healthz {
		shared.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
			if o.header != nil {
				o.header(w.Header())
			}
			if err := health(); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
			fmt.Fprint(w, "OK")
		})
	}
	profiles := shared
	if o.pprofAddress != "" && o.pprofAddress != o.address {
		profiles = http.NewServeMux()
	}
	if o.pprof {
		addProfiles(profiles)
	}
	if o.metrics || o.healthz || o.pprof && profiles == shared {
		if err := s.listen(o.address, "listen-addr", shared); err != nil {
			return nil, err
		}
	}
	if o.pprof && profiles != shared {
		if err := s.listen(o.pprofAddress, "pprof-addr", profiles); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

func addProfiles(mux *http.ServeMux) {
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
}

func (s *server) listen(address, flag string, handler http.Handler) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		hint := ""
		if errors.Is(err, syscall.EADDRINUSE) {
			hint = "; another tracee may serve there: choose another address with --" + flag
		}
		var operation *net.OpError
		if errors.As(err, &operation) {
			err = operation.Err
		}
		return fmt.Errorf("serve at %s: %w%s", address, err, hint)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
	finished := make(chan struct{})
	s.running, s.finished = append(s.running, server), append(s.finished, finished)
	s.log.Info("serving", "address", listener.Addr())
	go func() {
		defer close(finished)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("serving ended", "address", address, "error", err)
		}
	}()
	return nil
}

// close ends serving; requests that take long are cut off.
func (s *server) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	for i, server := range s.running {
		if server.Shutdown(ctx) != nil {
			server.Close()
		}
		<-s.finished[i]
	}
	s.running, s.finished = nil, nil
}
