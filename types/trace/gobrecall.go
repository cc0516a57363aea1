package trace

// The fields that readUsual knows by their places.
var (
	timeField   = fieldIndex("timestamp")
	returnField = fieldIndex("returnValue")
	flagsField  = fieldIndex("contextFlags")
	argsField   = fieldIndex("args")
)

// isUsual reports whether a struct's fields are those of an event in their order, up to the arguments, as v0.8 and GobWriter have them.
func isUsual(fields []gobField) bool {
	if len(fields) <= argsField {
		return false
	}
	for i := range fields[:argsField+1] {
		if fields[i].index != i {
			return false
		}
	}
	return fields[timeField].typ == int(gobInt) && fields[returnField].typ == int(gobInt)
}

// readUsual consumes an event as far as it is like nearly all of them: the time, a thread and a kind that are remembered, what was
// returned, the arguments, and an end that is remembered. It returns the place of the last field that it has consumed, and whether
// that was all. The event is empty but for what was consumed.
func (r *GobReader) readUsual(e *Event, t *gobType) (last int, whole bool) {
	w := &r.wire
	if !t.usual || !w.follows(-1, timeField) {
		*e = Event{}
		return -1, false
	}
	time := w.int()
	thread := r.recalled(threadPart, r.recent, t, timeField)
	if thread == nil {
		*e = Event{Timestamp: time}
		return timeField, false
	}
	r.recent = thread
	*e = thread.event // in which nothing but the time is in front of the thread
	e.Timestamp = time
	kind := r.recalled(kindPart, nil, t, thread.last)
	if kind == nil {
		return thread.last, false
	}
	e.takeKind(&kind.event)
	r.kind, last = kind.kind, kind.last
	if w.follows(last, returnField) {
		e.ReturnValue, last = w.int(), returnField
	}
	if w.follows(last, flagsField) {
		r.readContextFlags(e, w.fieldType(&t.fields[flagsField]))
		last = flagsField
	}
	if w.follows(last, argsField) {
		r.readArgs(e, w.fieldType(&t.fields[argsField]))
		last = argsField
	}
	process := r.recalled(processPart, r.kind.process, t, last)
	if process == nil {
		return last, false
	}
	r.kind.process = process
	e.takeProcess(&process.event)
	return process.last, true
}

// follows consumes the distance from the last field to another one, if that is next.
func (w *gobWire) follows(last, field int) bool {
	if int(w.next()) != field-last {
		return false
	}
	w.at++
	return true
}

// gobRecallKeys are where the stretches are told apart: by start time and ids, by entity ids. Flags are short.
var gobRecallKeys = [stretches]recallKey{threadPart: {0, 32}, processPart: {0, 24}}

// slot returns the place of a stretch that the rest of an event begins with; nil if that is too short.
func (r *GobReader) slot(s stretch, rest []byte) *remembered {
	if s != kindPart {
		return r.recall.slot(s, rest, gobRecallKeys[s])
	}
	if len(rest) < 8 { // the id and some of the name
		return nil
	}
	return r.recall.place(s, mixed(0, rest))
}

// recalled consumes a stretch that begins here, if it is remembered. Likely is what it is likely to be, or nil.
func (r *GobReader) recalled(s stretch, likely *remembered, t *gobType, before int) *remembered {
	rest := r.wire.rest()
	m := likely
	if m == nil || !m.is(rest, t, before) {
		if m = r.slot(s, rest); m == nil || !m.is(rest, t, before) {
			return nil
		}
	}
	r.wire.at += len(m.text)
	return m
}

// is reports whether a stretch of gob is the one that is remembered.
func (m *remembered) is(rest []byte, t *gobType, before int) bool {
	return m.typ == t && m.after == before && len(rest) >= len(m.text) && string(rest[:len(m.text)]) == string(m.text)
}

// again consumes a stretch that begins here, if it is remembered. If it is not, it is noted, to be remembered when it has been read.
func (r *GobReader) again(s stretch, t *gobType, at, before int) *remembered {
	if s == noStretch || s == flagsPart {
		return nil
	}
	rest := r.wire.message[at:]
	m := r.slot(s, rest)
	if m == nil {
		return nil
	}
	if !m.is(rest, t, before) {
		r.open = reading{s, at, m, before}
		return nil
	}
	r.wire.at = at + len(m.text)
	if s == kindPart {
		r.kind = m.kind
	}
	return m
}

// closeStretch remembers the stretch that ended here.
func (r *GobReader) closeStretch(e *Event, t *gobType, at, last int) {
	o := r.open
	r.open = reading{}
	if !o.in.keep(r.wire.message[o.at:at], e, last) {
		return
	}
	o.in.typ, o.in.after = t, o.after
	if o.stretch == kindPart {
		r.kind = r.schemas.kind(e.EventName)
		o.in.kind = r.kind
	}
}

// closeLast remembers the stretch that the event ends with, and the end itself.
func (r *GobReader) closeLast(e *Event, t *gobType, last int) {
	if o := r.open; o.stretch == processPart && len(r.truncated) == 0 && len(r.lost) == 0 && e.StackSymbols == nil {
		if o.in.keep(r.wire.message[o.at:r.wire.at], e, last) {
			o.in.typ, o.in.after = t, o.after
		}
	}
}
