package cli

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/tracee-go/tracee"
	"github.com/tracee-go/tracee/capture"
	"github.com/tracee-go/tracee/container/runtimes"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/internal/footprint"
	"github.com/tracee-go/tracee/internal/paint"
	"github.com/tracee-go/tracee/internal/patient"
	"github.com/tracee-go/tracee/output"
	"github.com/tracee-go/tracee/rules"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/detect"
)

// Tracee runs the command tracee and returns its exit code: 1 when it could not start, and when nobody reads its
// findings any more.
func Tracee(args []string, stdout *os.File, stderr io.Writer) int {
	// Writing to a closed pipe shall be an error like others, not a signal.
	signal.Ignore(syscall.SIGPIPE)
	defer signal.Reset(syscall.SIGPIPE)

	started := time.Now()
	limit, err := patient.New(lastPatience)
	if err == nil {
		stderr = limit.Writer(stderr)
		err = (&traceeCommand{stdout: stdout, stderr: stderr, limit: limit, started: started}).run(args)
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSaid), errors.Is(err, syscall.EPIPE):
	default:
		fmt.Fprintln(stderr, "tracee:", err)
	}
	return 1
}

// traceeCommand is collection and detection in one process.
type traceeCommand struct {
	ids           []string
	rulesDir      string
	rulesDirGiven bool
	strict        bool
	repeats       time.Duration
	traceFlags    []string
	format        string // empty: nothing is printed
	outputs       []string
	destinations  destinations
	version       bool
	containers    containerOptions
	logs          logOptions
	serve         serveOptions
	capabilities  capabilityOptions
	instance      instanceOptions
	manager       *serviceManager
	captureFlags  []string
	capture       capture.Options
	evidence      evidence
	scope         *filter.Filter
	policyFiles   []string
	policies      policies
	given         *pflag.FlagSet // the flags, with their values
	live          *live
	configuration
	view  *liveView // nil: there is none
	ahead *tracer.Ahead

	stdout  *os.File
	stderr  io.Writer
	limit   *patient.Limit // of both
	log     *slog.Logger
	started time.Time
}

func (c *traceeCommand) run(args []string) error {
	if len(args) > 0 {
		if args[0] == completeWord {
			return c.completion(args[1:]).answer(args[1:], c.stdout)
		}
		if s, ok := subcommandOf(args); ok {
			return s.run(c, args[1:])
		}
	}
	help, err := c.parse(args)
	if err != nil {
		return err
	}
	if help != "" {
		return c.print(help)
	}
	if c.view = c.newView(); c.view != nil {
		c.stderr = c.view
	}
	c.log = c.logs.logger(c.stderr)
	c.live = c.newLive(args)
	defer signal.Stop(c.live.hangup)
	footprint.Hurry()
	c.ahead = tracer.ReadAhead()
	shared := c.rules()
	loaded, err := shared.loadSignatures()
	if err != nil {
		return err
	}
	if c.policies, err = c.loadPolicies(loaded); err != nil {
		return err
	}
	claim, err := c.instance.claim(instanceFile, c.log)
	if err != nil {
		return err
	}
	defer claim.end()
	return c.watch(shared, loaded)
}

// rules is what tracee-rules would be with the flags that both have.
func (c *traceeCommand) rules() *rulesCommand {
	return &rulesCommand{
		rulesOptions: rulesOptions{
			ids: c.ids, rulesDir: c.rulesDir, rulesDirGiven: c.rulesDirGiven, strict: c.strict, repeats: c.repeats,
		},
		stdout: c.stdout, stderr: c.stderr, log: c.log, processes: "/proc",
	}
}

func (c *traceeCommand) print(text string) error {
	_, err := io.WriteString(c.stdout, text)
	return err
}

func (c *traceeCommand) flags() *pflag.FlagSet {
	flags := pflag.NewFlagSet("tracee", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {}
	flags.SetNormalizeFunc(aliased(shorthands))
	flags.StringArrayVar(&c.ids, "rules", nil, "select a signature by its `id`; may be repeated (default all)")
	flags.StringVar(&c.rulesDir, "rules-dir", defaultRulesDir(), "`directory` of rule files (.rego, .yaml, .cel, .so), searched recursively")
	flags.BoolVar(&c.strict, "strict", false, "do not start when anything is wrong with a rule file")
	flags.DurationVar(&c.repeats, "repeats", time.Minute, "let a finding stand for those of the same process and object for this `duration`;\n"+
		"then their number is told; 0 prints each")
	flags.StringArrayVarP(&c.traceFlags, "trace", "t", nil, "`filter` of what is watched, such as uid=0 or comm=nginx; 'help' says more")
	flags.StringArrayVar(&c.policyFiles, "policy", nil, "`file` of policies, or directory of such: for whom which events and findings are wanted;\n"+
		"may be repeated")
	c.containers.add(flags)
	flags.StringArrayVarP(&c.captureFlags, "capture", "c", nil, "`artifact` to capture; may be repeated; 'help' says more")
	c.evidence.add(flags)
	flags.BoolVarP(&c.version, "version", "v", false, "print the version and exit")
	flags.StringArrayVarP(&c.outputs, "output", "o", nil, "`format` of findings, as lines: text or json (default: json, on a terminal the live view of\n"+
		"tracee top); or a destination, such as file:///var/log/tracee.json; may be repeated; 'help' says more")
	c.capabilities.add(flags)
	c.instance.add(flags)
	c.serve.add(flags, ebpfAddress)
	c.logs.add(flags)
	c.configuration.add(flags)
	return flags
}

func (c *traceeCommand) parse(args []string) (help string, err error) {
	flags := c.flags()
	if err := flags.Parse(longOptions(args)); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return traceeHelp(flags), nil
		}
		return "", explainFlag(err, flags)
	}
	switch {
	case c.version:
		return "tracee version " + version() + "\n", nil
	case slices.Equal(c.traceFlags, []string{"help"}):
		return filter.Help(), nil
	case slices.Equal(c.captureFlags, []string{"help"}):
		return capture.Help(), nil
	case slices.Equal(c.outputs, []string{"help"}):
		return traceeOutputHelp(), nil
	case c.containers.wantsHelp():
		return runtimes.Help(), nil
	case c.capabilities.wantsHelp():
		return capabilitiesHelp(), nil
	case flags.NArg() > 0:
		return "", fmt.Errorf("unexpected argument %q%s", flags.Arg(0), subcommandHint(flags.Arg(0)))
	}
	if err := c.settle(flags); err != nil {
		return "", err
	}
	for _, check := range c.checks() {
		if err := check.run(); err != nil {
			return "", c.located(check.key, err)
		}
	}
	return "", nil
}

// check says whether the value of a flag can be used.
type check struct {
	key string
	run func() error
}

// checks read the values of flags that are more than texts and numbers.
func (c *traceeCommand) checks() []check {
	return []check{
		{"trace", func() (err error) { c.scope, err = filter.Parse(c.traceFlags); return err }},
		{"capture", func() (err error) { c.capture, err = capture.Parse(c.captureFlags); return err }},
		{"evidence", func() (err error) { c.capture.Evidence, err = c.evidence.check(); return err }},
		{"crs", func() error { _, err := c.containers.sockets(slog.New(slog.DiscardHandler)); return err }},
		{"container-wait", c.containers.checkWait},
		{"quiet", c.logs.check},
		{"listen-addr", c.serve.check},
		{"caps", c.capabilities.parse},
		{"output", c.readOutputs},
	}
}

// readOutputs reads the values of --output.
func (c *traceeCommand) readOutputs() (err error) {
	preset := "json"
	if term.IsTerminal(int(c.stdout.Fd())) {
		preset = "text"
	}
	c.format, err = c.destinations.readOutputs(c.outputs, preset)
	return err
}

func traceeHelp(flags *pflag.FlagSet) string {
	usages := strings.ReplaceAll(flags.FlagUsages(), defaultRulesDir(), "<directory of tracee>/rules")
	return "tracee: watch this machine and report attacks\n\nUsage:\n  tracee [flags]\n" + subcommandHelp() + "\nFlags:\n" + usages
}

// watch detects until a signal comes, and then says what it has seen.
func (c *traceeCommand) watch(shared *rulesCommand, loaded []detect.Signature) error {
	ctx, stop := untilSignal(c.limit)
	defer stop()
	tellPauses(ctx, c.log)
	out := c.limit.Writer(c.stdout)
	printer := unreadPrinter{&eventPrinter{Lines: output.NewLines(out), traceeCommand: c}, new(unread)}
	engine, broken := c.detecting(shared, loaded, findingsTo{out, printer, stop})
	c.live.engine = engine
	_, c.live.known = c.live.keepUnchanged(loaded, shared.files)
	sockets, err := c.containers.sockets(c.log)
	if err != nil {
		return err
	}
	if err := c.destinations.open(destinationOptions{findings: true, host: true, stop: stop, stdout: out, log: c.log}); err != nil {
		return err
	}
	c.destinations.set.UsePolicies(c.policies.of)
	c.capture.Evidence = c.capture.Evidence || c.policies.evidence()
	p, err := c.plan(engine, c.destinations.set)
	if err != nil {
		return errors.Join(err, c.destinations.close(io.Discard, ""))
	}
	warnOfEnvironment(c.log, ftraceEnabled)
	c.capabilities.forArtifacts(c.capture.Enabled())
	c.capture.EvidencePackets = p.packets
	c.capabilities.forReloads(c.live.files.any())
	c.live.plan, c.serve.header = p, c.live.header
	detected := func() detection { return detection{Stats: engine.Stats(), signatures: len(engine.Signatures())} }
	progress, server, err := c.serve.ofRun(c.log, rulesMetrics(detected), destinationMetrics(&c.destinations), c.live.metrics())
	if err != nil {
		return errors.Join(err, c.destinations.close(io.Discard, ""))
	}
	defer server.close()
	c.manager = askedToNotify(c.log)
	progress = c.manager.watch(ctx, progress)
	progress = c.view.progressOf(progress)
	var reloading sync.WaitGroup
	config := c.config(p, sockets, progress)
	config.Engine, config.Printer = engine, printer
	config.Ready = func(t *tracer.Tracer) error {
		defer c.view.begin(ctx, stop, viewed{engine, t, progress})
		defer reloading.Go(func() { c.live.run(ctx) })
		return c.ready(engine, t)
	}
	summary, err := tracee.Run(ctx, config)
	stop()
	reloading.Wait()
	err = errors.Join(err, c.view.end())
	if (summary.Delivered > 0 || err == nil) && !c.logs.quiet {
		c.saySummary(summary, engine.Stats())
	}
	return errors.Join(err, *broken, printer.err(), c.destinations.close(c.quietly(), "tracee: "))
}

// config is that of a run, but for who detects and prints.
func (c *traceeCommand) config(p plan, sockets []runtimes.Socket, progress *tracee.Progress) tracee.Config {
	return tracee.Config{
		Events:         p.events,
		Filter:         p.filter,
		Needs:          p.needs,
		Policies:       c.policies.set,
		NameContainers: c.containers.enrich,
		ContainerWait:  c.containers.wait,
		Runtimes:       sockets,
		ExecEnv:        true,
		Sinks:          c.destinations.set,
		Control:        &c.live.control,
		Progress:       progress,
		Log:            c.log,
		Executables:    true,
		Ahead:          c.ahead,
		Capture:        c.capture,
		Capturing:      func(capturer *capture.Capturer) { c.evidence.capturer = capturer },
	}
}

// detecting returns the engine, whose findings go to all who want them. It stops when they can not be printed any more, and
// says then why.
func (c *traceeCommand) detecting(shared *rulesCommand, loaded []detect.Signature, to findingsTo) (engine *rules.Engine, broken *error) {
	broken = new(error)
	color := paint.Painter(colorful(c.stdout))
	return shared.engine(c.policies.signatures(loaded), func(f detect.Finding) {
		matched, shown := c.policies.finding(&f)
		if !shown {
			return
		}
		c.evidence.keep(f, matched)
		c.destinations.set.Finding(f)
		if *broken != nil || c.view.found(f) || c.format == "" || c.policies.set != nil && !c.policies.printed(f.Policies) {
			return
		}
		if *broken = to.printer.Flush(); *broken == nil { // events that came before
			_, err := to.out.Write(renderFinding(c.format, f, color))
			*broken = to.printer.finding(err)
		}
		if *broken != nil {
			to.stop()
		}
	}), broken
}

// findingsTo is what findings are printed by, and what ends the run when they can not be.
type findingsTo struct {
	out     io.Writer
	printer unreadPrinter
	stop    func()
}

// selectedEvents looks up what the signatures want to see.
func selectedEvents(signatures detecting) (selection []*events.Event, unknown []string) {
	for _, selector := range signatures.SelectedEvents() {
		if selector.Name == "*" {
			selection = append(selection, events.InSet(events.AllEvents)...)
			continue
		}
		e, ok := events.Lookup(selector.Name)
		if !ok {
			unknown = append(unknown, selector.Name)
			continue
		}
		selection = append(selection, e)
	}
	// Of these the engine learns who made whom, and what they run.
	selection = append(selection, events.SchedProcessFork, events.SchedProcessExec, events.SchedProcessExit)
	return union(selection, nil), unknown
}

// union are all events of both, once and in order.
func union(a, b []*events.Event) []*events.Event {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(a, b *events.Event) int { return a.ID - b.ID })
	return slices.Compact(all)
}

// quietly is where summaries go.
func (c *traceeCommand) quietly() io.Writer {
	if c.logs.quiet {
		return io.Discard
	}
	return c.stderr
}

// ready is called when everything is attached.
func (c *traceeCommand) ready(engine *rules.Engine, t *tracer.Tracer) error {
	if err := c.capabilities.drop(c.log); err != nil {
		return err
	}
	c.manager.tell("READY=1")
	if !c.logs.quiet {
		c.sayReady(engine, t)
	}
	return nil
}

// idsNamed is up to how many signatures are named when tracing starts.
const idsNamed = 10

// sayReady says in one line what is watched, and on which features of the kernel.
func (c *traceeCommand) sayReady(engine *rules.Engine, t *tracer.Tracer) {
	var ids []string
	for _, metadata := range engine.Signatures() {
		ids = append(ids, metadata.ID)
	}
	named := ""
	if len(ids) > 0 && len(ids) <= idsNamed {
		named = " (" + strings.Join(ids, " ") + ")"
	}
	fmt.Fprintf(c.stderr, "tracee: watching for %s%s in %s; Linux %s, hooks: %s; ready in %d ms\n",
		count(uint64(len(ids)), "signature"), named, count(watched(t), "event"),
		kernelRelease(), t.Summary(), time.Since(c.started).Milliseconds())
}

// watched counts the events that users know.
func watched(t *tracer.Tracer) (n uint64) {
	for _, a := range t.Attachments() {
		if !a.Event.Internal {
			n++
		}
	}
	return n
}

func kernelRelease() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "of unknown release"
	}
	return unix.ByteSliceToString(name.Release[:])
}

func (c *traceeCommand) saySummary(s tracee.Summary, detected rules.Stats) {
	line := fmt.Sprintf("tracee: %s seen, %s, %d lost", count(s.Delivered, "event"), count(detected.Detections, "finding"),
		s.LostTotal())
	var details []string
	for _, l := range s.Lost {
		details = append(details, fmt.Sprintf("%s %d %s", l.Event, l.Count, l.Reason))
	}
	if len(details) > 0 {
		line += " (" + strings.Join(details, ", ") + ")"
	}
	if s.Unreadable > 0 {
		line += fmt.Sprintf(", %d arguments unreadable", s.Unreadable)
	}
	for _, more := range told(
		tally{detected.Errors, "errors of signatures"},
		tally{detected.CutOff, "signatures switched off"},
		tally{detected.Forgotten, "forgotten by signatures"},
		tally{detected.Excepted + c.policies.excepted(), "taken out by exceptions"},
		tally{detected.Repeated, "repeats"},
	) {
		line += ", " + more
	}
	fmt.Fprintln(c.stderr, line)
	sayUnnamed(c.stderr, "tracee: ", s.Unnamed)
	sayArtifacts(c.stderr, "tracee: ", s.Capture)
}
