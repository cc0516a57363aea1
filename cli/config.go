package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/tracee-go/tracee/internal/settings"
	"github.com/tracee-go/tracee/internal/suggest"
)

// configDefault is the file that is read without --config, if it is there.
var configDefault = "/etc/tracee/tracee.yaml"

// configSections are the keys of a file that are no flags.
var configSections = []string{policiesSection}

// configuration is where settings come from besides the command line.
type configuration struct {
	path string // --config
	file *settings.File
}

func (c *configuration) add(flags *pflag.FlagSet) {
	flags.StringVar(&c.path, "config", "", "YAML `file` of settings, whose keys are the names of flags; flags win over it\n"+
		"(default "+configDefault+", if it is there)")
	settings.OnlyFlags(flags, "config", "version")
}

// read gives the flags what the file says and the command line does not.
func (c *configuration) read(flags *pflag.FlagSet) error {
	path := c.path
	if path == "" {
		if _, err := os.Stat(configDefault); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		path = configDefault
	}
	file, err := settings.Read(path)
	if err != nil {
		return asConfig(err)
	}
	c.file = file
	return file.Apply(flags, suggest.DidYouMean, configSections...)
}

// settle gives the flags of tracee their values.
func (c *traceeCommand) settle(flags *pflag.FlagSet) error {
	given := flags.Changed("rules-dir")
	c.given = flags
	err := c.read(flags)
	// A file that was printed names the directory by custom, which need not be there.
	c.rulesDirGiven = given || c.rulesDir != defaultRulesDir()
	return err
}

// asConfig says of what kind the file is that can not be read.
func asConfig(err error) error {
	var problems settings.Problems
	if errors.As(err, &problems) {
		return problems
	}
	return fmt.Errorf("configuration: %w", err)
}

// located says where in the file a value is that is wrong.
func (c *configuration) located(key string, err error) error {
	if line := c.file.Line(key); line > 0 && err != nil {
		return settings.Problems{{Path: c.file.Path, Line: line, Text: key + ": " + err.Error()}}
	}
	return err
}

// configCommand is "tracee config".
func (c *traceeCommand) configCommand(args []string) error {
	const usage = "tracee config takes check [FILE], or print [flags]"
	switch {
	case len(args) == 0:
		return errors.New(usage)
	case args[0] == "check":
		return c.checkConfig(args[1:])
	case args[0] == "print":
		return c.printConfig(args[1:])
	default:
		return fmt.Errorf("%s, not %q%s", usage, args[0], suggest.DidYouMean(args[0], []string{"check", "print"}))
	}
}

// checkConfig tells all that is wrong with a file.
func (c *traceeCommand) checkConfig(args []string) error {
	path := configDefault
	switch {
	case len(args) > 1 || len(args) == 1 && strings.HasPrefix(args[0], "-"):
		return errors.New("tracee config check takes one file")
	case len(args) == 1:
		path = args[0]
	}
	file, err := settings.Read(path)
	if err != nil {
		return c.tellProblems(asConfig(err))
	}
	c.file = file
	flags := c.flags()
	errs := []error{file.Apply(flags, suggest.DidYouMean, configSections...)}
	for _, check := range c.checks() {
		errs = append(errs, c.located(check.key, check.run()))
	}
	c.rulesDirGiven = c.rulesDir != defaultRulesDir()
	c.log = c.logs.logger(c.stderr)
	loaded, err := c.rules().loadSignatures()
	errs = append(errs, c.located("rules", err))
	if err == nil {
		_, err = c.loadPolicies(loaded)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return c.tellProblems(err)
	}
	return c.print(path + ": ok\n")
}

// tellProblems writes each problem on a line of its own.
func (c *traceeCommand) tellProblems(err error) error {
	fmt.Fprintln(c.stderr, err)
	return errSaid
}

// printConfig prints the configuration that is in force with these flags, as a file.
func (c *traceeCommand) printConfig(args []string) error {
	flags := c.flags()
	if err := flags.Parse(longOptions(args)); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return c.print(traceeHelp(flags))
		}
		return explainFlag(err, flags)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q (tracee config print takes the flags of tracee)", flags.Arg(0))
	}
	if err := c.settle(flags); err != nil {
		return err
	}
	for _, check := range c.checks() {
		if err := check.run(); err != nil {
			return c.located(check.key, err)
		}
	}
	text, err := settings.Print(flags, c.file, configSections...)
	if err != nil {
		return err
	}
	return c.print(string(text))
}
