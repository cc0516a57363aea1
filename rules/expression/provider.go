package expression

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// The types of variables. Their values are not converted: a field is read from the event when an expression asks for it.
var (
	typeOfEvent         = cel.ObjectType("tracee.Event")
	typeOfArgs          = cel.ObjectType("tracee.Arguments")
	typeOfKept          = cel.ObjectType("tracee.Kept")
	typeOfAddress       = cel.ObjectType("tracee.Address")
	typeOfProcess       = cel.ObjectType("tracee.Process")
	typeOfArgument      = cel.ObjectType("tracee.Argument")
	typeOfArgumentValue = cel.ObjectType("tracee.ArgumentValue")
	typeOfFlags         = cel.ObjectType("tracee.ContextFlags")
)

// field is a field of one of these types.
type field struct {
	typ *cel.Type
	get func(target any) (any, error)
	set func(target any) bool // nil: always
}

// provider tells CEL about the types of one scope.
type provider struct {
	*types.Registry
	fields map[string]map[string]field // by type and name
}

var (
	_ types.Provider         = (*provider)(nil)
	_ types.Adapter          = (*provider)(nil)
	_ interpreter.Activation = (*Vars)(nil)
)

func newProvider(s *Scope) (*provider, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, err
	}
	return &provider{Registry: registry, fields: map[string]map[string]field{
		typeOfEvent.TypeName():         eventFields,
		typeOfArgs.TypeName():          argsFields(s.Schemas),
		typeOfKept.TypeName():          keptFields(s.Kept),
		typeOfAddress.TypeName():       addressFields,
		typeOfProcess.TypeName():       processFields,
		typeOfArgument.TypeName():      argumentFields,
		typeOfArgumentValue.TypeName(): argumentValueFields,
		typeOfFlags.TypeName():         flagsFields,
	}}, nil
}

func (p *provider) FindStructType(name string) (*types.Type, bool) {
	if _, ok := p.fields[name]; ok {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return p.Registry.FindStructType(name)
}

func (p *provider) FindStructFieldNames(name string) ([]string, bool) {
	fields, ok := p.fields[name]
	if !ok {
		return p.Registry.FindStructFieldNames(name)
	}
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	return names, true
}

func (p *provider) FindStructFieldType(typeName, name string) (*types.FieldType, bool) {
	fields, ok := p.fields[typeName]
	if !ok {
		return p.Registry.FindStructFieldType(typeName, name)
	}
	f, ok := fields[name]
	if !ok {
		return nil, false
	}
	isSet := f.set
	if isSet == nil {
		isSet = func(any) bool { return true }
	}
	return &types.FieldType{Type: f.typ, IsSet: isSet, GetFrom: f.get}, true
}

func (p *provider) NewValue(name string, fields map[string]ref.Val) ref.Val {
	if _, ours := p.fields[name]; ours {
		return types.NewErr("a %s can not be made", name)
	}
	return p.Registry.NewValue(name, fields)
}

// NativeToValue converts what fields return.
func (p *provider) NativeToValue(value any) ref.Val {
	switch v := value.(type) {
	case []detect.Process:
		return types.NewDynamicList(p, v)
	case detect.Process:
		return object{typeOfProcess, v}
	case trace.SocketAddress:
		return object{typeOfAddress, v}
	case trace.Arg:
		return object{typeOfArgument, v}
	case argumentValue:
		return object{typeOfArgumentValue, v}
	case []trace.Arg:
		return types.NewDynamicList(p, v)
	case trace.ContextFlags:
		return object{typeOfFlags, v}
	default:
		return p.Registry.NativeToValue(value)
	}
}

// object is a value of one of our types.
type object struct {
	typ   *cel.Type
	value any
}

func (o object) Type() ref.Type { return o.typ }
func (o object) Value() any     { return o.value }

func (o object) ConvertToType(t ref.Type) ref.Val {
	if t == types.TypeType {
		return o.typ
	}
	return types.NewErr("a %s can not be converted to %s", o.typ.TypeName(), t.TypeName())
}

// ConvertToNative implements CEL's values.
func (o object) ConvertToNative(t reflect.Type) (any, error) {
	if v := reflect.ValueOf(o.value); v.IsValid() && v.Type().AssignableTo(t) {
		return o.value, nil
	}
	return nil, fmt.Errorf("a %s can not be converted to %s", o.typ.TypeName(), t)
}

func (o object) Equal(ref.Val) ref.Val {
	return types.NewErr("a %s can not be compared as a whole", o.typ.TypeName())
}

// ResolveName gives CEL the variables.
func (v *Vars) ResolveName(name string) (any, bool) {
	switch name {
	case "input":
		return object{typeOfEvent, v.Event}, true
	case "args":
		return object{typeOfArgs, v.Event}, true
	case "kept":
		return object{typeOfKept, v.Kept}, true
	case "count":
		return v.Count, true
	case "values":
		return v.Values, true
	case "ancestors":
		return v.ancestors(), true
	default:
		return nil, false
	}
}

func (v *Vars) ancestors() []detect.Process {
	if v.Lineage != nil {
		if line := v.Lineage.Of(v.Event); len(line) > 0 {
			return line[1:]
		}
	}
	return nil
}

// Parent implements CEL's Activation.
func (v *Vars) Parent() interpreter.Activation { return nil }

// absent is the error of reading an argument that an event does not have, or has in a form that its type does not say.
type absent struct{ name string }

func (a *absent) Error() string { return "the event has no argument " + a.name }

// absentText is what remains of the error when CEL has wrapped it.
const absentText = "the event has no argument "

func isAbsent(err error) bool {
	var a *absent
	return errors.As(err, &a) || strings.Contains(err.Error(), absentText)
}

func keptFields(kept map[string]*cel.Type) map[string]field {
	fields := make(map[string]field, len(kept))
	for name, typ := range kept {
		fields[name] = field{
			typ: typ,
			get: func(target any) (any, error) {
				if values, ok := target.(map[string]ref.Val); ok && values[name] != nil {
					return values[name], nil
				}
				return nil, &absent{name}
			},
			set: func(target any) bool {
				values, _ := target.(map[string]ref.Val)
				return values[name] != nil
			},
		}
	}
	return fields
}

// argsFields are the arguments of the events of a scope. Where events differ in the type of an argument, it is dynamic.
func argsFields(schemas []*trace.Schema) map[string]field {
	fields := map[string]field{}
	for _, schema := range schemas {
		for _, declared := range schema.Fields {
			form := formOf(declared.Type)
			if known, ok := fields[declared.Name]; ok && !known.typ.IsExactType(form.typ) {
				form = dynamicForm
			}
			fields[declared.Name] = argumentField(declared.Name, form)
		}
	}
	return fields
}

func argumentField(name string, form form) field {
	return field{
		typ: form.typ,
		get: func(target any) (any, error) {
			a, ok := lookup(target, name)
			if ok {
				if value, ok := form.value(a); ok {
					return value, nil
				}
			}
			return nil, &absent{name}
		},
		set: func(target any) bool { _, ok := lookup(target, name); return ok },
	}
}

func lookup(target any, name string) (trace.Arg, bool) {
	e, ok := target.(*trace.Event)
	if !ok || e == nil {
		return trace.Arg{}, false
	}
	return e.Lookup(name)
}

// form is how an argument appears in an expression.
type form struct {
	typ   *cel.Type
	value func(a trace.Arg) (any, bool)
}

var dynamicForm = form{cel.DynType, func(a trace.Arg) (any, bool) { return formOf(a.Type()).value(a) }}

// forms say what kinds appear as. What an event really holds may be of another kind, for streams are made by others.
var forms = map[trace.Kind]form{
	trace.Bool:    {cel.BoolType, func(a trace.Arg) (any, bool) { return a.Uint() != 0, a.Type().Kind == trace.Bool }},
	trace.Float64: {cel.DoubleType, func(a trace.Arg) (any, bool) { v, ok := a.Value().(float64); return v, ok }},
	trace.Strings: {cel.ListType(cel.StringType), func(a trace.Arg) (any, bool) {
		if a.Type().Kind != trace.Strings {
			return nil, false
		}
		return a.Strings(), true
	}},
	trace.Sockaddr: {typeOfAddress, func(a trace.Arg) (any, bool) {
		if a.Type().Kind != trace.Sockaddr {
			return nil, false
		}
		return a.Sockaddr(), true
	}},
	trace.Bytes:    {cel.BytesType, func(a trace.Arg) (any, bool) { return a.Raw(), a.Type().Kind == trace.Bytes }},
	trace.IntPair:  {cel.ListType(cel.IntType), pairValue},
	trace.Cred:     {cel.DynType, documentValue},
	trace.Document: {cel.DynType, documentValue},
}

var (
	textForm   = form{cel.StringType, textValue}
	numberForm = form{cel.IntType, numberValue}
)

func formOf(t *trace.Type) form {
	if t.Kind == trace.String || t.Text != nil || t.Kind == trace.Pointer {
		return textForm
	}
	if f, ok := forms[t.Kind]; ok {
		return f
	}
	return numberForm
}

func textValue(a trace.Arg) (any, bool) {
	if !a.HasText() {
		return nil, false
	}
	return a.Text(), true
}

// numberValue is an integer of any width. What an int can not hold is its largest value.
func numberValue(a trace.Arg) (any, bool) {
	n, ok := number(a)
	return n, ok
}

func number(a trace.Arg) (int64, bool) {
	if k := a.Type().Kind; !k.InSlot() || k == trace.IntPair || k == trace.Float64 {
		return 0, false
	}
	n := a.Int()
	if n < 0 && (a.Type().Kind == trace.Uint64 || a.Type().Kind == trace.Pointer) {
		n = 1<<63 - 1
	}
	return n, true
}

func pairValue(a trace.Arg) (any, bool) {
	pair, ok := a.Value().([2]int32)
	return []int64{int64(pair[0]), int64(pair[1])}, ok
}

func documentValue(a trace.Arg) (any, bool) {
	var value any
	if err := json.Unmarshal(a.AppendJSONValue(nil), &value); err != nil {
		return nil, false
	}
	return value, true
}

// Plain converts a value of CEL into what findings and JSON show. It shares nothing with the event.
func Plain(v ref.Val) any {
	switch value := v.(type) {
	case types.String:
		return strings.Clone(string(value))
	case types.Int:
		return int64(value)
	case types.Uint:
		return uint64(value)
	case types.Double:
		return float64(value)
	case types.Bool:
		return bool(value)
	case types.Timestamp:
		return value.Format(time.RFC3339Nano)
	case types.Bytes:
		return append([]byte{}, value...)
	}
	return plainAggregate(v)
}

// Own returns the value without what it shares with the event that it was read from.
func Own(v ref.Val) ref.Val {
	switch value := v.(type) {
	case types.String:
		return types.String(strings.Clone(string(value)))
	case types.Bytes:
		return types.Bytes(append([]byte{}, value...))
	default:
		return v
	}
}

// Text is a value as a text, to compare it with others.
func Text(v ref.Val) string {
	if s, ok := v.(types.String); ok {
		return strings.Clone(string(s))
	}
	return fmt.Sprint(Plain(v))
}
