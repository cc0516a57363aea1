package expression

import (
	"net/netip"
	"path"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/tracee-go/tracee/types/trace"
)

const trueValue = types.True

// functions are what expressions can call besides CEL's own and its strings extension.
func functions() []cel.EnvOption {
	return []cel.EnvOption{
		// Of v0.8.3: an argument that is not there, or is something else, is empty.
		cel.Function("stringArg", cel.MemberOverload("event_string_arg", []*cel.Type{typeOfEvent, cel.StringType},
			cel.StringType, cel.BinaryBinding(stringArg))),
		cel.Function("sockaddrArg", cel.MemberOverload("event_sockaddr_arg", []*cel.Type{typeOfEvent, cel.StringType},
			typeOfAddress, cel.BinaryBinding(sockaddrArg))),
		onText("is_file_write", cel.BoolType, func(s string) ref.Val { return types.Bool(writes(s)) }),
		onText("is_file_read", cel.BoolType, func(s string) ref.Val { return types.Bool(reads(s)) }),
		onText("basename", cel.StringType, func(s string) ref.Val { return types.String(path.Base(s)) }),
		onText("dirname", cel.StringType, func(s string) ref.Val { return types.String(path.Dir(s)) }),
		cel.Function("in_network", cel.Overload("in_network", []*cel.Type{cel.StringType, cel.StringType}, cel.BoolType,
			cel.BinaryBinding(inNetwork))),
		cel.Function("truncated", cel.MemberOverload("event_truncated", []*cel.Type{typeOfEvent, cel.StringType},
			cel.BoolType, cel.BinaryBinding(truncated))),
	}
}

// families are the constants that rules compare sa_family with, as v0.8.3 has them and as people write them.
func families() (constants []cel.EnvOption) {
	for name, number := range map[string]int{"AF_UNSPEC": 0, "AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10} {
		for _, prefix := range []string{"", "sa_family_t.", "wrapper.", "wrapper.sa_family_t."} {
			constants = append(constants, cel.Constant(prefix+name, cel.IntType, types.Int(number)))
		}
	}
	return constants
}

func onText(name string, result *cel.Type, f func(string) ref.Val) cel.EnvOption {
	return cel.Function(name, cel.Overload(name, []*cel.Type{cel.StringType}, result, cel.UnaryBinding(func(v ref.Val) ref.Val {
		s, ok := v.(types.String)
		if !ok {
			return types.MaybeNoSuchOverloadErr(v)
		}
		return f(string(s))
	})))
}

func argumentOf(event, name ref.Val) (trace.Arg, bool) {
	n, ok := name.(types.String)
	if !ok {
		return trace.Arg{}, false
	}
	return lookup(event.Value(), string(n))
}

func stringArg(event, name ref.Val) ref.Val {
	if a, ok := argumentOf(event, name); ok && a.HasText() {
		return types.String(a.Text())
	}
	return types.String("")
}

func sockaddrArg(event, name ref.Val) ref.Val {
	if a, ok := argumentOf(event, name); ok && a.Type().Kind == trace.Sockaddr {
		return object{typeOfAddress, a.Sockaddr()}
	}
	return object{typeOfAddress, trace.SocketAddress{}}
}

// truncated says whether an argument is there and not whole.
func truncated(event, name ref.Val) ref.Val {
	a, ok := argumentOf(event, name)
	return types.Bool(ok && a.Truncated())
}

func inNetwork(address, network ref.Val) ref.Val {
	a, aIsText := address.(types.String)
	n, nIsText := network.(types.String)
	if !aIsText || !nIsText {
		return types.MaybeNoSuchOverloadErr(address)
	}
	prefix, err := netip.ParsePrefix(string(n))
	if err != nil {
		return types.NewErr("in_network: %s is no network such as 10.0.0.0/8", string(n))
	}
	ip, err := netip.ParseAddr(string(a))
	return types.Bool(err == nil && prefix.Contains(ip.Unmap()))
}

func writes(flags string) bool { return hasFlag(flags, "o_wronly") || hasFlag(flags, "o_rdwr") }
func reads(flags string) bool  { return hasFlag(flags, "o_rdonly") || hasFlag(flags, "o_rdwr") }

// hasFlag reports whether flags contain a flag in letters of either case.
func hasFlag(flags, flag string) bool {
	for i := 0; i+len(flag) <= len(flags); i++ {
		if strings.EqualFold(flags[i:i+len(flag)], flag) {
			return true
		}
	}
	return false
}
