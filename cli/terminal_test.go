package cli

import (
	"os"
	"strings"
	"testing"

	"github.com/tracee-go/tracee/internal/ptytest"
)

func TestColoursAreForTerminalsOfThoseWhoWantThem(t *testing.T) {
	_, screen := ptytest.Open(t)
	file, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, test := range []struct {
		noColor, term string
		to            *os.File
		want          bool
	}{
		{"", "xterm", screen, true},
		{"1", "xterm", screen, false},
		{"", "dumb", screen, false},
		{"", "xterm", file, false},
	} {
		t.Setenv("NO_COLOR", test.noColor)
		t.Setenv("TERM", test.term)
		if got := colorful(test.to); got != test.want {
			t.Errorf("NO_COLOR=%s TERM=%s to %s: got %t", test.noColor, test.term, test.to.Name(), got)
		}
	}
	if terminal(new(strings.Builder)) {
		t.Error("memory is a terminal")
	}
}

func TestLogsAreForPeopleOnATerminalAndForProgramsElsewhere(t *testing.T) {
	person, screen := ptytest.Open(t)
	t.Setenv("TERM", "xterm")
	say := func() string {
		log := (&logOptions{}).logger(screen).With("at", "a b\n").WithGroup("g")
		log.Info("not said")
		log.Warn("something is odd", "where", "here")
		line := make([]byte, 1000)
		n, err := person.Read(line)
		if err != nil {
			t.Fatal(err)
		}
		return string(line[:n])
	}
	t.Setenv("NO_COLOR", "1")
	if got, want := say(), `warning: something is odd (at="a b\n", g.where=here)`+"\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	t.Setenv("NO_COLOR", "")
	if got, want := say(), "\x1b[33mwarning\x1b[0m: "; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q first", got, want)
	}
	var b strings.Builder
	(&logOptions{}).logger(&b).Warn("something is odd", "where", "here")
	if got, want := b.String(), `level=WARN msg="something is odd" where=here`; !strings.Contains(got, want) {
		t.Errorf("got %q, want %q in it", got, want)
	}
}

func TestFlagsSayHowMuchIsLogged(t *testing.T) {
	for _, test := range []struct {
		options logOptions
		want    string
	}{
		{logOptions{quiet: true}, "error"},
		{logOptions{}, "error warn"},
		{logOptions{verbose: true}, "error warn info"},
		{logOptions{debug: true}, "error warn info debug"},
	} {
		var b strings.Builder
		log := test.options.logger(&b)
		log.Error("error")
		log.Warn("warn")
		log.Info("info")
		log.Debug("debug")
		var got []string
		for line := range strings.Lines(b.String()) {
			_, message, _ := strings.Cut(strings.TrimSpace(line), "msg=")
			got = append(got, message)
		}
		if got := strings.Join(got, " "); got != test.want {
			t.Errorf("%+v: got %s, want %s", test.options, got, test.want)
		}
	}
}
