package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strconv"
)

// kindByGoType tells how v0.8's Go values lie in a record where the type of the argument does not.
var kindByGoType = map[string]Kind{
	"int": Int64, "int32": Int32, "int64": Int64,
	"uint": Uint64, "uint8": Uint8, "uint16": Uint16, "uint32": Uint32, "uint64": Uint64, "uintptr": Pointer,
}

// readValue decodes the value of the argument in place i. A nil one stays absent.
func (r *GobReader) readValue(i int, a *looseArg, t *gobType) {
	w := &r.wire
	if !w.want(t, gobInterface) {
		return
	}
	goType, t := w.dynamic()
	if goType == nil || w.failed != nil {
		return
	}
	r.learnArg(i, a, goType, t)
	r.readHeld(a, goType, t)
}

// readHeld decodes what an argument's value holds, unless that is left out.
func (r *GobReader) readHeld(a *looseArg, goType []byte, t *gobType) {
	w := &r.wire
	if r.leaving {
		w.skip(t)
		return
	}
	switch t.kind {
	case gobBool:
		a.setSlot(Bool, w.uint()&1)
	case gobInt, gobUint:
		if !isInteger(a.want) && a.want != Float64 {
			a.want = kindByGoType[string(goType)]
		}
		if t.kind == gobInt {
			a.setInt(int64(w.int()))
		} else {
			a.setUint(w.uint())
		}
	case gobFloat:
		a.setSlot(Float64, math.Float64bits(w.float()))
	case gobString:
		a.setString(w.bytes())
	case gobBytes:
		a.setTail(Bytes, w.bytes())
		if string(goType) == gobDocumentName {
			a.kind = Document
		}
	default:
		r.readCompound(a, goType, t)
	}
}

// readCompound decodes the values that have a kind of their own, and all others into documents.
func (r *GobReader) readCompound(a *looseArg, goType []byte, t *gobType) {
	start := r.wire.at
	done := false
	switch name := string(goType); {
	case a.want == Document:
	case name == gobPairName:
		done = r.readPair(a, t)
	case name == gobCredName:
		r.readCred(a, t)
		done = true
	case name == "[]string":
		done = r.readStrings(a, t)
	case name == "map[string]string":
		done = r.readSockaddr(a, t)
	}
	if !done && r.wire.failed == nil {
		r.wire.at = start
		r.readDocument(a, t)
	}
}

func (r *GobReader) readPair(a *looseArg, t *gobType) bool {
	var slot uint64
	n := 0
	r.wire.list(t, 2, func(element *gobType) {
		slot |= uint64(uint32(r.wire.intOf(element))) << (n * 32)
		n++
	})
	a.setSlot(IntPair, slot)
	return n == 2
}

func (r *GobReader) readCred(a *looseArg, t *gobType) {
	var cred SlimCred
	fields := reflect.ValueOf(&cred).Elem()
	r.wire.structure(t, func(f *gobField, t *gobType) {
		if to := fields.FieldByName(f.name); to.IsValid() {
			to.SetUint(r.wire.uintOf(t))
		} else {
			r.wire.skip(t)
		}
	})
	a.setTail(Cred, cred.encode())
}

// readStrings decodes a list of strings, unless one of them has a NUL in it.
func (r *GobReader) readStrings(a *looseArg, t *gobType) bool {
	start, nul := len(r.scratch), false
	r.wire.list(t, maxRecord, func(element *gobType) {
		s := r.wire.textOf(element)
		nul = nul || bytes.IndexByte(s, 0) >= 0
		r.scratch = append(append(r.scratch, s...), 0)
	})
	a.setTail(Strings, r.scratch[start:len(r.scratch):len(r.scratch)])
	return !nul
}

// readSockaddr decodes a map that is exactly a socket address.
func (r *GobReader) readSockaddr(a *looseArg, t *gobType) bool {
	if !r.wire.want(t, gobMap) {
		return false
	}
	address := make(map[string]string, 5)
	r.wire.entries(t, func(key, value *gobType) {
		k := string(r.wire.textOf(key))
		address[k] = string(r.wire.textOf(value))
		if len(address) > maxSockaddrKeys {
			r.wire.fail(errTooLong)
		}
	})
	raw, err := EncodeSockaddr(address)
	a.setTail(Sockaddr, raw)
	return err == nil && parseSockaddr(raw).is(address)
}

// readDocument decodes any value into JSON. Types of v0.8 get all their keys, also those that gob omits as zero.
func (r *GobReader) readDocument(a *looseArg, t *gobType) {
	start := len(r.scratch)
	r.scratch = r.wire.appendJSON(r.scratch, t)
	text := r.scratch[start:len(r.scratch):len(r.scratch)]
	if decode := documentTypes[string(a.typ)]; decode != nil && r.wire.failed == nil {
		if v, err := decode(text); err == nil {
			if full, err := json.Marshal(v); err == nil {
				text = full
			}
		}
	}
	a.setTail(Document, text)
}

// documentKeys are the keys in JSON of the fields that gob knows by their Go names, by the names of type and field.
var documentKeys = func() map[gobFieldName]string {
	keys := make(map[gobFieldName]string)
	for _, t := range []reflect.Type{
		reflect.TypeFor[PktMeta](), reflect.TypeFor[DnsQueryData](), reflect.TypeFor[DnsAnswer](), reflect.TypeFor[DnsResponseData](),
		reflect.TypeFor[PacketMetadata](), reflect.TypeFor[ProtoIPv4](), reflect.TypeFor[ProtoIPv6](), reflect.TypeFor[ProtoTCP](),
		reflect.TypeFor[ProtoUDP](), reflect.TypeFor[ProtoICMP](), reflect.TypeFor[ProtoICMPv6](), reflect.TypeFor[ProtoDNS](),
		reflect.TypeFor[ProtoDNSQuestion](), reflect.TypeFor[ProtoDNSResourceRecord](), reflect.TypeFor[ProtoDNSSOA](),
		reflect.TypeFor[ProtoDNSSRV](), reflect.TypeFor[ProtoDNSMX](), reflect.TypeFor[ProtoDNSURI](), reflect.TypeFor[ProtoDNSOPT](),
		reflect.TypeFor[ProtoHTTP](), reflect.TypeFor[ProtoHTTPRequest](), reflect.TypeFor[ProtoHTTPResponse](),
	} {
		for f := range t.Fields() {
			keys[gobFieldName{t.Name(), f.Name}] = f.Tag.Get("json")
		}
	}
	return keys
}()

type gobFieldName struct{ structure, field string }

// appendJSON consumes a value and appends it as JSON.
func (w *gobWire) appendJSON(b []byte, t *gobType) []byte {
	w.nesting++
	defer func() { w.nesting-- }()
	if w.nesting > maxGobNesting || len(b) > maxRecord {
		w.fail(errors.New("value is too large or nested too deeply"))
		return b
	}
	switch t.kind {
	case gobBool:
		return strconv.AppendBool(b, w.uint() != 0)
	case gobInt:
		return strconv.AppendInt(b, int64(w.int()), 10)
	case gobUint:
		return strconv.AppendUint(b, w.uint(), 10)
	case gobFloat:
		return appendJSONFloat(b, w.float())
	case gobString:
		return appendJSONString(b, viewString(w.bytes()))
	case gobBytes:
		return appendJSONBytes(b, w.bytes())
	case gobInterface:
		if goType, held := w.dynamic(); goType != nil {
			return w.appendJSON(b, held)
		}
		return append(b, "null"...)
	case gobArray, gobSlice, gobMap, gobStruct:
		return w.appendCompound(b, t)
	default:
		w.fail(errGobType)
		return b
	}
}

func (w *gobWire) appendCompound(b []byte, t *gobType) []byte {
	opening := len(b)
	b = append(b, '{')
	comma := func() {
		if len(b) > opening+1 {
			b = append(b, ',')
		}
	}
	switch t.kind {
	case gobStruct:
		w.structure(t, func(f *gobField, field *gobType) {
			comma()
			key := f.name
			if k, ok := documentKeys[gobFieldName{t.name, key}]; ok {
				key = k
			}
			b = append(appendJSONString(b, key), ':')
			b = w.appendJSON(b, field)
		})
	case gobMap:
		w.entries(t, func(key, value *gobType) {
			comma()
			b = append(appendJSONString(b, viewString(w.textOf(key))), ':')
			b = w.appendJSON(b, value)
		})
	default:
		b[opening] = '['
		w.list(t, maxRecord, func(element *gobType) {
			comma()
			b = w.appendJSON(b, element)
		})
		return append(b, ']')
	}
	return append(b, '}')
}
