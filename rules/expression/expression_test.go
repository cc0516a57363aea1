package expression

import (
	"fmt"
	"strings"
	"testing"

	"cel.dev/cel-go/common/types/ref"

	"github.com/tracee-go/tracee/types/trace"
)

var (
	str      = &trace.Type{Name: "const char*", Kind: trace.String}
	integer  = &trace.Type{Name: "int", Kind: trace.Int32}
	strs     = &trace.Type{Name: "const char**", Kind: trace.Strings}
	address  = &trace.Type{Name: "struct sockaddr*", Kind: trace.Sockaddr}
	flags    = &trace.Type{Name: "int", Kind: trace.Int32, Text: func(v uint64) string { return fmt.Sprintf("O_%d", v) }}
	large    = &trace.Type{Name: "unsigned long", Kind: trace.Uint64}
	document = &trace.Type{Name: "doc", Kind: trace.Document}
	raw      = &trace.Type{Name: "bytes", Kind: trace.Bytes}
)

func field_(name string, t *trace.Type) trace.Field { return trace.Field{Name: name, Type: t} }

var opened = &trace.Schema{ID: 1, Name: "open", Fields: []trace.Field{
	field_("path", str), field_("fd", integer), field_("argv", strs), field_("addr", address), field_("flags", flags),
	field_("size", large), field_("doc", document), field_("content", raw), field_("missing", str), field_("none", integer),
}}

// other has an argument of the same name and another type.
var other = &trace.Schema{ID: 2, Name: "other", Fields: []trace.Field{field_("path", integer)}}

func sample(t testing.TB) *trace.Event {
	t.Helper()
	var b trace.Builder
	b.Reset(opened)
	for i, v := range []any{
		"/etc/shadow", -7, []string{"cat", "x"}, map[string]string{"sa_family": "AF_INET", "sin_addr": "10.1.2.3", "sin_port": "80"},
		2, uint64(1) << 63, []byte(`{"a":[1,2]}`), []byte("hi"),
	} {
		if err := b.Set(i, v); err != nil {
			t.Fatal(err)
		}
	}
	e := &trace.Event{ProcessName: "cat", UserID: 1000, ReturnValue: -2, Timestamp: 1657402965000000000, ParseArguments: true}
	b.Finish(e)
	return e
}

var conditions = []struct {
	text string
	want bool
}{
	{`input.eventName == 'open'`, true},
	{`input.processName == 'cat' && input.userId == 1000 && input.userID == 1000`, true},
	{`args.path == '/etc/shadow'`, true},
	{`args.path.startsWith('/etc/') && args.fd == -7`, true},
	{`args.path in ['/etc/passwd', '/etc/shadow']`, true},
	{`'/etc/shadow' == args.path && -8 < args.fd`, true},
	{`args.path.endsWith('dow') || args.missing == 'x'`, true},
	{`args.missing == 'x'`, false},
	{`args.missing != 'x'`, false},
	{`!(args.missing == 'x')`, false},
	{`!has(args.missing)`, true},
	{`has(args.path)`, true},
	{`args.none > 1 || args.fd < 0`, true},
	{`args.size > 1000`, true},
	{`args.flags == 'O_2'`, true},
	{`args.argv[0] == 'cat' && args.argv.exists(a, a == 'x')`, true},
	{`args.argv[5] == 'cat'`, false},
	{`args.addr.ip == '10.1.2.3' && args.addr.port == 80 && args.addr.family == 'AF_INET'`, true},
	{`in_network(args.addr.ip, '10.0.0.0/8')`, true},
	{`in_network(args.addr.ip, '11.0.0.0/8')`, false},
	{`args.doc.a[1] == 2.0`, true},
	{`args.content == b'hi'`, true},
	{`basename(args.path) == 'shadow' && dirname(args.path) == '/etc'`, true},
	{`input.stringArg('path').startsWith('/etc/shadow')`, true},
	{`input.stringArg('missing') == ''`, true},
	{`input.stringArg('fd') == ''`, true},
	{`input.sockaddrArg('addr').sin_addr == '10.1.2.3' && input.sockaddrArg('addr').sin_port == 80u`, true},
	{`input.sockaddrArg('addr').sa_family == AF_INET && input.sockaddrArg('addr').sa_family == wrapper.sa_family_t.AF_INET`, true},
	{`input.sockaddrArg('path').sun_path == '' && input.sockaddrArg('addr').sin6_addr == ''`, true},
	{`input.args.exists(a, a.name == 'path' && a.value.stringValue == '/etc/shadow')`, true},
	{`input.args.exists(a, a.name == 'fd' && a.value.int32Value == -7 && a.value.stringValue == '' && !has(a.value.stringValue))`, true},
	{`input.timestamp > timestamp('2022-07-09T00:00:00Z') && input.timestamp < timestamp('2022-07-10T00:00:00Z')`, true},
	{`input.returnValue < 0 && input.argsNum == 8 && input.origin == 'host' && input.eventId == '1' && input.eventID == 1`, true},
	{`input.contextFlags.containerStarted`, false},
	{`!input.truncated('path')`, true},
	{`args.path.matches('^/etc/(shadow|passwd)$')`, true},
}

func TestConditions(t *testing.T) {
	for _, c := range conditions {
		p, err := CompileCondition(c.text, &Scope{Schemas: []*trace.Schema{opened}})
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		got, err := p.Met(&Vars{Event: sample(t)})
		if got != c.want || (err != nil && !strings.Contains(c.text, "[5]")) {
			t.Errorf("%s: got %t, %v, want %t", c.text, got, err, c.want)
		}
	}
}

// What is read of a condition without CEL may refute an event only when CEL does.
func TestPlainTestsAgreeWithCEL(t *testing.T) {
	var b trace.Builder
	b.Reset(other)
	b.Slot(0, 7)
	different := &trace.Event{ParseArguments: true}
	b.Finish(different)
	texts := []string{
		`args.path == 7`, `args.path != '/etc/shadow'`, `args.path != 7`, `args.path > 6`, `args.path == '/etc/shadow'`,
		`args.path.startsWith('/')`, `args.fd == -7 && args.path != 'x'`,
	}
	for _, c := range conditions {
		texts = append(texts, c.text)
	}
	for _, text := range texts {
		p, err := CompileCondition(text, &Scope{Schemas: []*trace.Schema{opened, other}})
		if err != nil {
			continue // not well typed for both
		}
		for _, e := range []*trace.Event{sample(t), different, {}} {
			got, _ := p.Met(&Vars{Event: e})
			plain := p.plain
			p.plain.test = nil
			want, _ := p.Met(&Vars{Event: e})
			p.plain = plain
			if got != want {
				t.Errorf("%s on %s: got %t, CEL says %t", text, e.EventName, got, want)
			}
		}
	}
}

func TestPlainConditionsNeedNoCEL(t *testing.T) {
	for text, want := range map[string]bool{
		`input.eventName == 'open' && args.path == 'x' && args.fd > 3`: true,
		`args.path in ['a', 'b'] || is_file_write(args.flags)`:         true,
		`input.stringArg('path').contains('x')`:                        true,
		`args.path == 'x' && args.argv.exists(a, a == 'x')`:            false,
	} {
		p, err := CompileCondition(text, &Scope{Schemas: []*trace.Schema{opened}})
		if err != nil {
			t.Fatal(err)
		}
		if p.plain.exact != want || p.plain.test == nil {
			t.Errorf("%s: exact: got %t, want %t", text, p.plain.exact, want)
		}
	}
}

func TestMistakesAreToldWithAHint(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{`args.pth == 'x'`, `unknown argument "pth" (did you mean path?) of open`},
		{`input.procesName == 'x'`, `unknown field "procesName" (did you mean processName?)`},
		{`args.path == 7`, "no matching overload"},
		{`args.path ==`, "Syntax error"},
		{`args.path`, "expected boolean value, got: string"},
		{`kept.x == 1`, `unknown kept value "x"`},
		{`args.path.matches('((a{1,99}){1,99}){1,99}')`, ""},
	} {
		_, err := CompileCondition(test.text, &Scope{Schemas: []*trace.Schema{opened}})
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %q", test.text, err, test.want)
		}
	}
}

func TestArgumentThatNoEventHasIsADoubt(t *testing.T) {
	p, err := CompileCondition(`true &&
		input.stringArg('flgs') == ''`, &Scope{Schemas: []*trace.Schema{opened}})
	if err != nil {
		t.Fatal(err)
	}
	want := Problem{2, `unknown argument "flgs" (did you mean flags?) of open`}
	if p.Doubt() == nil || *p.Doubt() != want {
		t.Errorf("got %+v, want %+v", p.Doubt(), want)
	}
}

func TestSlowExpressionIsCutOff(t *testing.T) {
	many := make([]string, 4000)
	for i := range many {
		many[i] = strings.Repeat("x", i%7)
	}
	var b trace.Builder
	b.Reset(opened)
	b.Strings(2, many)
	e := &trace.Event{}
	b.Finish(e)
	p, err := CompileCondition(`args.argv.all(a, args.argv.all(b, args.argv.all(c, a + b + c != 'y')))`, &Scope{Schemas: []*trace.Schema{opened}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Met(&Vars{Event: e}); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("got %v, want to be cut off", err)
	}
}

func TestValuesShareNothingWithTheEvent(t *testing.T) {
	e := sample(t)
	vars := &Vars{Event: e}
	var got []ref.Val
	for _, text := range []string{"args.path", "args.addr", "args.argv", "{'a': args.fd, 'b': [args.path]}"} {
		p, err := Compile(text, &Scope{Schemas: []*trace.Schema{opened}})
		if err != nil {
			t.Fatal(err)
		}
		v, err := p.Value(vars)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, v)
	}
	plain := []any{Plain(got[0]), Plain(got[1]), Plain(got[2]), Plain(got[3])}
	_, _, body := e.Record()
	for i := range body {
		body[i] = '#'
	}
	const want = `[/etc/shadow map[sa_family:AF_INET sin_addr:10.1.2.3 sin_port:80] [cat x] map[a:-7 b:[/etc/shadow]]]`
	if fmt.Sprint(plain) != want {
		t.Errorf("got %v, want %s", plain, want)
	}
}

func BenchmarkCondition(b *testing.B) {
	for name, text := range map[string]string{
		"plain":  `args.path == '/etc/passwd'`,
		"celHit": `args.path == '/etc/shadow' && args.fd + 1 < 0`,
		"loop":   `args.path == '/etc/shadow' && args.argv.exists(a, a == 'x')`,
	} {
		b.Run(name, func(b *testing.B) {
			p, err := CompileCondition(text, &Scope{Schemas: []*trace.Schema{opened}})
			if err != nil {
				b.Fatal(err)
			}
			vars := &Vars{Event: sample(b)}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Met(vars); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
