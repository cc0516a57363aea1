package filter

// operator compares a value with the one that a flag gives.
type operator string

const (
	equal        operator = "="
	notEqual     operator = "!="
	less         operator = "<"
	greater      operator = ">"
	lessEqual    operator = "<="
	greaterEqual operator = ">="
)

// verdict collects what the flags about one field say about one value.
type verdict struct {
	excluded bool // it equals a != value
	included bool // it equals an = value
	listed   bool // there are = values
	outside  bool // it is outside of a range
	ranged   bool // there are ranges
}

// scope is the rule for scope fields; the package comment states it.
func (v verdict) scope() bool {
	switch {
	case v.excluded:
		return false
	case v.included:
		return true
	case v.ranged:
		return !v.outside
	default:
		return !v.listed
	}
}

// argument is the rule for arguments and return values: everything must hold.
func (v verdict) argument() bool {
	return !v.excluded && !v.outside && (v.included || !v.listed)
}

// term is one operator with one of its values.
type term[T any] struct {
	operator operator
	value    T
}

// numbers is what the flags say about a number.
type numbers[T uint64 | int64] []term[T]

func (n numbers[T]) judge(x T, v *verdict) {
	for _, t := range n {
		switch t.operator {
		case equal:
			v.listed = true
			v.included = v.included || x == t.value
		case notEqual:
			v.excluded = v.excluded || x == t.value
		default:
			v.ranged = true
			v.outside = v.outside || !within(t.operator, x, t.value)
		}
	}
}

func within[T uint64 | int64](op operator, x, limit T) bool {
	switch op {
	case less:
		return x < limit
	case lessEqual:
		return x <= limit
	case greater:
		return x > limit
	default:
		return x >= limit
	}
}

// texts is what the flags say about a text. It has no ranges.
type texts []term[pattern]

func (p texts) judge(s string, v *verdict) {
	for i := range p {
		match := p[i].value.match(s)
		if p[i].operator == equal {
			v.listed = true
			v.included = v.included || match
		} else {
			v.excluded = v.excluded || match
		}
	}
}

// rule is what the flags say about one scope field.
type rule struct {
	numbers numbers[uint64]
	texts   texts

	fresh, old bool // =new, !=new; see Field.Fresh
}

func (r *rule) active() bool { return len(r.numbers) > 0 || len(r.texts) > 0 || r.fresh || r.old }

// admitsNumber says whether a number is in, if its process is not new.
func (r *rule) admitsNumber(x uint64) bool {
	v := verdict{listed: r.fresh}
	r.numbers.judge(x, &v)
	return v.scope()
}

func (r *rule) admitsText(s string) bool {
	var v verdict
	r.texts.judge(s, &v)
	return v.scope()
}
