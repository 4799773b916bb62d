package rules

import (
	"fmt"
	"strings"
)

// part is a piece of a summary: text as it is, or an expression whose value stands there.
type part struct {
	text  string
	value *program
}

// template takes a summary apart at its braces.
func (l *library) template(text string, p *problems) []part {
	var out []part
	rest := text
	for rest != "" {
		before, after, found := strings.Cut(rest, "{")
		if before != "" {
			out = append(out, part{text: before})
		}
		if !found {
			break
		}
		inside, behind, closed := strings.Cut(after, "}")
		if !closed {
			p.add("summary", "a brace is not closed; a value stands there as in {last(\"loss\")}")
			return out
		}
		value, err := l.compile(inside, false)
		if err != nil {
			p.within("summary", text[:len(text)-len(after)], inside, err)
		} else {
			out = append(out, part{value: value})
		}
		rest = behind
	}
	return out
}

// say puts the values in.
func say(parts []part, env map[string]any) string {
	var b strings.Builder
	for _, p := range parts {
		if p.value == nil {
			b.WriteString(p.text)
			continue
		}
		v, err := p.value.run(env)
		if err != nil {
			b.WriteString("?")
			continue
		}
		fmt.Fprintf(&b, "%.4g", v)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
