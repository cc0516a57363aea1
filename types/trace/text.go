package trace

import (
	"bytes"
	"fmt"
	"strconv"
)

// AppendText appends the argument as the table shows it: Go's %v of the v0.8 value, or its parse-arguments form.
func (a Arg) AppendText(b []byte) []byte {
	t := a.Type()
	if text, ok := a.symbol(); ok {
		return append(b, text...)
	}
	if a.hexadecimal() {
		return a.appendHexadecimal(b)
	}
	switch t.Kind {
	case String:
		return append(b, a.Raw()...)
	case Strings:
		return appendStrings(b, a.Raw())
	case Bytes:
		return appendByteList(b, a.Raw())
	case Sockaddr:
		return a.Sockaddr().appendText(b)
	case IntPair:
		b = strconv.AppendInt(append(b, '['), int64(int32(a.Uint())), 10)
		b = strconv.AppendInt(append(b, ' '), int64(int32(a.Uint()>>32)), 10)
		return append(b, ']')
	case Cred, Document:
		return fmt.Append(b, a.Value())
	default:
		return a.appendNumber(b)
	}
}

func (a Arg) appendHexadecimal(b []byte) []byte {
	return strconv.AppendUint(append(b, "0x"...), a.Uint(), 16)
}

func appendStrings(b, raw []byte) []byte {
	b = append(b, '[')
	raw = bytes.TrimSuffix(raw, []byte{0})
	start := len(b)
	b = append(b, raw...)
	for i := start; i < len(b); i++ {
		if b[i] == 0 {
			b[i] = ' '
		}
	}
	return append(b, ']')
}

func appendByteList(b, raw []byte) []byte {
	b = append(b, '[')
	for i, c := range raw {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendUint(b, uint64(c), 10)
	}
	return append(b, ']')
}
