package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tracee-go/tracee/internal/suggest"
	"github.com/tracee-go/tracee/sink"

	"github.com/spf13/pflag"
)

// rulesOptions are the command line of tracee-rules.
type rulesOptions struct {
	ids               []string
	rulesDir          string
	rulesDirGiven     bool
	partialEval       bool
	aggregate         bool
	strict            bool
	repeats           time.Duration
	list, listEvents  bool
	listFilters       bool
	input             inputOptions
	outputTemplate    string
	outputs           []string
	destinations      destinations
	webhook           webhookOptions
	allowCapabilities bool
	regoTarget        string
	version           bool
	logs              logOptions
	serve             serveOptions
}

// parse reads the command line. A help text that it returns is to be printed instead of doing anything, also when there
// is an error.
func (o *rulesOptions) parse(args []string) (help string, err error) {
	var input []string
	flags := o.flags(&input)
	if len(args) == 0 {
		return rulesHelp(flags), errors.New("no flags specified")
	}
	if err := flags.Parse(longOptions(args)); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return rulesHelp(flags), nil
		}
		return "", explainFlag(err, flags)
	}
	if err := errors.Join(o.logs.check(), o.serve.check()); err != nil {
		return "", err
	}
	if o.version {
		return "tracee-rules version " + version() + "\n", nil
	}
	if flags.NArg() > 0 {
		return "", fmt.Errorf("unexpected argument %q (try --help)", flags.Arg(0))
	}
	o.rulesDirGiven = flags.Changed("rules-dir")
	if len(input) == 1 && input[0] == "help" {
		return inputHelp, nil
	}
	if slices.Equal(o.outputs, []string{"help"}) {
		return sink.Help(), nil
	}
	for _, value := range o.outputs {
		if err := o.destinations.add(value); err != nil {
			return "", err
		}
	}
	switch target := strings.ToLower(o.regoTarget); target {
	case "rego":
	case "wasm":
		return "", errors.New("target unsupported: wasm (rules run faster as rego; leave --rego-runtime-target out)")
	default:
		return "", fmt.Errorf("invalid target specified %s (want rego)", o.regoTarget)
	}
	if o.webhook.config.URL != "" && o.webhook.template == "" {
		return "", errors.New("--webhook-template flag is required when using --webhook flag")
	}
	if o.list || o.listEvents || o.listFilters {
		return "", nil
	}
	o.input, err = parseInput(input)
	return "", err
}

func (o *rulesOptions) flags(input *[]string) *pflag.FlagSet {
	flags := pflag.NewFlagSet("tracee-rules", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {}
	flags.SetNormalizeFunc(aliased(nil))
	flags.StringArrayVar(&o.ids, "rules", nil, "select a signature by its `id`; may be repeated (default all)")
	flags.StringVar(&o.rulesDir, "rules-dir", defaultRulesDir(), "`directory` of rule files (.rego, .yaml, .cel, .so), searched recursively")
	flags.BoolVar(&o.partialEval, "rego-partial-eval", false, "evaluate ahead what does not depend on the event")
	flags.BoolVar(&o.aggregate, "rego-aio", false, "make one signature of all Rego rules")
	flags.StringVar(&o.regoTarget, "rego-runtime-target", "rego", "`target` that Rego is compiled for: rego")
	flags.BoolVar(&o.strict, "strict", false, "do not start when anything is wrong with a rule file")
	flags.DurationVar(&o.repeats, "repeats", 0, "let a finding stand for those of the same process and object for this `duration`;\n"+
		"then their number is told; 0 prints each")
	flags.BoolVar(&o.list, "list", false, "print the signatures and exit")
	flags.BoolVar(&o.listEvents, "list-events", false, "print the events that the signatures need and exit")
	flags.BoolVar(&o.listFilters, "list-filters", false, "print the flags of tracee-ebpf for what the signatures need and exit")
	flags.StringArrayVar(input, "input-tracee", nil, "`option` of the input: file:<path>, file:stdin, format:json or format:gob;\n"+
		"given once for the file and once for its format; 'help' says more")
	flags.StringVar(&o.outputTemplate, "output-template", "", "Go template `file` for findings on stdout")
	flags.StringArrayVar(&o.outputs, "output", nil, "`URL` of a destination, beside stdout, such as file:///var/log/findings.json; may be repeated;\n"+
		"'help' says more")
	o.webhook.add(flags)
	flags.Uint("sig-buffer", 1000, "accepted for compatibility: signatures have no buffers here")
	flags.BoolVarP(&o.version, "version", "v", false, "print the version and exit")
	addAllowFailed(flags, &o.allowCapabilities)
	o.serve.add(flags, rulesAddress)
	o.serve.addPprofAddress(flags)
	o.logs.add(flags)
	return flags
}

func defaultRulesDir() string {
	executable, err := os.Executable()
	if err != nil {
		return "rules"
	}
	return filepath.Join(filepath.Dir(executable), "rules")
}

// longOptions turns the single dash that v0.8 accepts before long options into two.
func longOptions(args []string) []string {
	var long []string
	for i, arg := range args {
		if arg == "--" {
			return append(long, args[i:]...)
		}
		if len(arg) > 2 && arg[0] == '-' && arg[1] != '-' {
			arg = "-" + arg
		}
		long = append(long, arg)
	}
	return long
}

func flagHint(err error, flags *pflag.FlagSet) string {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return ""
	}
	var names []string
	flags.VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return suggest.DidYouMean("--"+unknown.GetSpecifiedName(), names)
}

func rulesHelp(flags *pflag.FlagSet) string {
	var b strings.Builder
	b.WriteString("tracee-rules: a rule engine for runtime security\n\nUsage:\n  tracee-rules [flags]\n")
	for _, t := range rulesTools {
		fmt.Fprintf(&b, "  tracee-rules %-16s  %s\n", t.usage, t.doc)
	}
	b.WriteString("\nFlags:\n")
	// The default of --rules-dir depends on where the program is.
	b.WriteString(strings.ReplaceAll(flags.FlagUsages(), filepath.Dir(defaultRulesDir()), "<directory of tracee-rules>"))
	return b.String()
}
