package filter

import "math"

// maxAutomata is how many automata may look at one text.
const maxAutomata = 8

// compiledTexts is what the flags say about one text, as the kernel side decides it.
type compiledTexts struct {
	automata []filterAutomaton
	unlisted uint8 // verdict on what no automaton knows
	// whole says that the automata know all patterns. Otherwise they pass what they can not decide.
	whole bool
}

// compileTexts makes automata of patterns, as many in each as have room. A pattern that is too long is cut if it
// admits, and left out if it rejects. If the automata do not suffice, only those that reject are left.
func compileTexts(t texts) compiledTexts {
	c := compiledTexts{unlisted: t.unlisted(), whole: true}
	if t.rejectsAll() {
		return c
	}
	if c.fill(t) {
		return c
	}
	c = compiledTexts{unlisted: verdictIn}
	var rejecting texts
	for i := range t {
		if t[i].operator == notEqual {
			rejecting = append(rejecting, t[i])
		}
	}
	c.fill(rejecting)
	c.whole = false
	return c
}

// maxPattern is how many letters the longest pattern has that an automaton has room for.
const maxPattern = automatonWords * maxLetters

// fill adds the patterns, those that need more than a word apart from the others, which cost less; false: there is no room
// for all.
func (c *compiledTexts) fill(t texts) bool {
	return c.fillBetween(t, 1, maxLetters) && c.fillBetween(t, maxLetters+1, math.MaxInt)
}

// fillBetween adds the patterns that have so many letters.
func (c *compiledTexts) fillBetween(t texts, least, most int) bool {
	size := min(most, maxPattern)
	next, wide := size, bit(size > maxLetters)
	for i := range t {
		p := t[i].value
		if p.length() < least || p.length() > most {
			continue
		}
		if p.length() > maxPattern {
			c.whole = false
			if t[i].operator == notEqual {
				continue
			}
			p = p.cut(maxPattern)
		}
		if next+p.length() > size {
			if len(c.automata) == maxAutomata {
				return false
			}
			c.automata, next = append(c.automata, filterAutomaton{Wide: uint32(wide)}), 0
		}
		next = c.automata[len(c.automata)-1].add(&p, t[i].operator, next)
	}
	return true
}

// letterBits is a bit for each letter.
type letterBits = [automatonWords]uint64

func setBit(b *letterBits, bit int) { b[bit/maxLetters] |= 1 << (bit % maxLetters) }

// add puts a pattern into the automaton, giving its letters bits from the given one up. It returns the next free bit.
func (a *filterAutomaton) add(p *pattern, op operator, bit int) int {
	last := len(p.parts) - 1
	setBit(&a.First, bit)
	if p.parts[0] == "" {
		setBit(&a.Floating, bit)
	}
	for i, part := range p.parts {
		for _, c := range []byte(part) {
			a.Letters[bit/maxLetters*256+int(c)] |= 1 << (bit % maxLetters)
			bit++
		}
		if part != "" && i < last {
			setBit(&a.Sticky, bit-1)
		}
	}
	if op == equal {
		setBit(&a.In, bit-1)
	} else {
		setBit(&a.Out, bit-1)
	}
	return bit
}

// narrow is an automaton of one word as the checks of tasks have it.
func (a *filterAutomaton) narrow() filterPatterns {
	return filterPatterns{
		Letters: [256]uint64(a.Letters[:256]),
		First:   a.First[0], Floating: a.Floating[0], Sticky: a.Sticky[0], In: a.In[0], Out: a.Out[0],
	}
}

// unlisted is the verdict on a text that no pattern with letters matches.
func (p texts) unlisted() uint8 {
	in, listed := false, false
	for i := range p {
		if p[i].operator == equal {
			listed, in = true, in || p[i].value.anything()
		}
	}
	return inOrOut(!p.rejectsAll() && (in || !listed))
}

// rejectsAll says that a != pattern matches everything.
func (p texts) rejectsAll() bool {
	for i := range p {
		if p[i].operator == notEqual && p[i].value.anything() {
			return true
		}
	}
	return false
}
