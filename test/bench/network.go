package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee"
	"github.com/tracee-go/tracee/capture"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/tracer"
)

// A carrier is what throughput is measured with. The aims are parts of the throughput without tracing. What iperf3 sends and
// receives in a second of CPU time of both ends is what it would with the machine for itself; what it does in a second
// of the wall's clock depends on who else works there.
type carrier struct {
	selection
	remembers bool // instead of events: the last packets of each process, as for evidence of findings
	aim       float64
}

var carriers = []carrier{
	{selection: untraced},
	{selection: selecting("net_packet_dns", "net_packet_dns"), aim: 0.97},
	{selection: allPackets(), aim: 0.60},
	{selection: selection{name: "the last packets of processes"}, remembers: true},
}

// carry begins to trace what the carrier has to carry.
func (c carrier) carry() (end func() error, err error) {
	if c.remembers {
		return rememberPackets()
	}
	t, err := c.begin(discard)
	if err != nil {
		return nil, err
	}
	return func() error {
		_, err := t.end()
		return err
	}, nil
}

// rememberPackets does what tracee does with --evidence high while nothing is found.
func rememberPackets() (end func() error, err error) {
	dir, err := os.MkdirTemp("", "tracee-bench")
	if err != nil {
		return nil, err
	}
	options, err := capture.Parse([]string{"dir:" + dir})
	if err != nil {
		return nil, err
	}
	options.Evidence, options.EvidencePackets = true, true
	ctx, stop := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := tracee.Run(ctx, tracee.Config{Capture: options, Ready: func(*tracer.Tracer) error {
			close(ready)
			return nil
		}})
		done <- err
	}()
	end = func() error {
		stop()
		return errors.Join(<-done, os.RemoveAll(dir))
	}
	select {
	case <-ready:
		return end, nil
	case err := <-done:
		done <- nil
		return nil, errors.Join(err, end())
	}
}

// allPackets are all events that are made of packets.
func allPackets() selection {
	s := selection{name: "all events of packets"}
	for _, e := range events.All() {
		for _, from := range e.From {
			if from == events.NetPacketBase {
				s.events = append(s.events, e.Name)
			}
		}
	}
	return s
}

const (
	carrierTime  = time.Second // of a turn
	carrierTurns = 15
)

// measureNetwork has iperf3 send over a pair of virtual interfaces, each in a network namespace of its own.
func measureNetwork(ctx context.Context, o options, r *report) error {
	for _, name := range []string{"iperf3", "ip"} {
		if _, err := exec.LookPath(name); err != nil {
			fmt.Fprintf(r.out, "\nnetwork: left out, because %s is not installed\n", name)
			return nil
		}
	}
	between, err := layCable()
	if err != nil {
		return err
	}
	defer between.remove()
	rates, efforts, whole := make([][]float64, len(carriers)), make([][]float64, len(carriers)), make([][]float64, len(carriers))
	for range min(o.rounds, carrierTurns) {
		for i, c := range carriers {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			end, err := c.carry()
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			before := usage(unix.RUSAGE_SELF)
			sent, err := between.send(ctx)
			tracers := usage(unix.RUSAGE_SELF) - before
			if err = errors.Join(err, end()); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			rates[i], efforts[i] = append(rates[i], sent.rate), append(efforts[i], sent.rate/sent.used)
			whole[i] = append(whole[i], sent.rate/(sent.used+tracers.Seconds()/carrierTime.Seconds()))
		}
	}
	r.begin("iperf3 over a pair of virtual interfaces", "traced", "Gbit/s", "Gbit in a second of CPU time", "of untraced", "aim", "with the time of the tracer")
	for i, c := range carriers {
		var part, withTracer []float64
		for round, effort := range efforts[i] {
			part = append(part, effort/efforts[0][round])
			withTracer = append(withTracer, whole[i][round]/whole[0][round])
		}
		note := ""
		if c.aim > 0 {
			note = r.aimAtLeast(median(part), c.aim, "%.2f")
		}
		r.row(c.name, fmt.Sprintf("%.2f", median(rates[i])/1e9), fmt.Sprintf("%.2f", median(efforts[i])/1e9), fmt.Sprintf("%.1f %%", 100*median(part)), note,
			fmt.Sprintf("%.1f %%", 100*median(withTracer)))
	}
	r.end()
	return nil
}

// A cable is two network namespaces that are connected, with a server of iperf3 in the first.
type cable struct {
	spaces [2]string
	server *exec.Cmd
}

const serverAddress = "10.211.7.1"

func layCable() (*cable, error) {
	l := &cable{spaces: [2]string{"tracee-bench-a", "tracee-bench-b"}}
	l.remove() // of a run that was killed
	for _, command := range []string{
		"ip netns add A", "ip netns add B",
		"ip -n A link add tracee0 type veth peer name tracee1 netns B",
		"ip -n A addr add " + serverAddress + "/30 dev tracee0", "ip -n A link set tracee0 up",
		"ip -n B addr add 10.211.7.2/30 dev tracee1", "ip -n B link set tracee1 up",
	} {
		words := strings.Fields(command)
		for i, word := range words {
			if len(word) == 1 && word >= "A" && word <= "B" {
				words[i] = l.spaces[word[0]-'A']
			}
		}
		if output, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			l.remove()
			return nil, fmt.Errorf("%s: %w: %s", strings.Join(words, " "), err, output)
		}
	}
	l.server = exec.Command("ip", "netns", "exec", l.spaces[0], "iperf3", "--server")
	if err := l.server.Start(); err != nil {
		l.remove()
		return nil, err
	}
	for range 50 {
		if _, err := l.send(context.Background()); err == nil {
			return l, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	l.remove()
	return nil, fmt.Errorf("iperf3 does not answer at %s", serverAddress)
}

// sending is what one turn achieved: bits per second, and what part of that second both ends used a CPU.
type sending struct{ rate, used float64 }

// send lets the client send for one turn.
func (l *cable) send(ctx context.Context) (sending, error) {
	output, err := exec.CommandContext(ctx, "ip", "netns", "exec", l.spaces[1], "iperf3", "--client", serverAddress, "--json",
		"--time", fmt.Sprint(carrierTime.Seconds())).Output()
	if err != nil {
		return sending{}, fmt.Errorf("iperf3: %w", err)
	}
	var said struct {
		End struct {
			Received struct {
				Rate float64 `json:"bits_per_second"`
			} `json:"sum_received"`
			Used struct {
				Here  float64 `json:"host_total"`
				There float64 `json:"remote_total"`
			} `json:"cpu_utilization_percent"`
		}
	}
	if err := json.Unmarshal(output, &said); err != nil {
		return sending{}, fmt.Errorf("read what iperf3 says: %w", err)
	}
	rate, used := said.End.Received.Rate, (said.End.Used.Here+said.End.Used.There)/100
	if rate == 0 || used == 0 {
		return sending{}, fmt.Errorf("iperf3 sent nothing: %.200s", output)
	}
	return sending{rate, used}, nil
}

// remove takes the namespaces away, and with them the interfaces.
func (l *cable) remove() {
	if l.server != nil {
		_ = l.server.Process.Kill()
		_ = l.server.Wait()
	}
	for _, space := range l.spaces {
		_ = exec.Command("ip", "netns", "del", space).Run() // it may not be there
	}
}
