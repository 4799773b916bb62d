package notify

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// matcher is one condition on a finding and its run.
type matcher struct {
	key    string // one of matchKeys
	not    bool
	exact  string
	regexp *regexp.Regexp // nil: exact
}

var matcherForm = regexp.MustCompile(`^\s*([a-z_]+)\s*(=~|!~|!=|=)\s*(.*?)\s*$`)

// parseMatcher reads a matcher such as project="vision", tag!=sweep or metric=~"val_.*".
func parseMatcher(text string) (matcher, error) {
	form := matcherForm.FindStringSubmatch(text)
	if form == nil {
		return matcher{}, fmt.Errorf("%q is not a matcher: want e.g. project=\"vision\", kind!=plateau or metric=~\"val_.*\"", text)
	}
	m := matcher{key: form[1], not: form[2][0] == '!', exact: form[3]}
	if !strings.HasSuffix(form[2], "~") && strings.HasPrefix(m.exact, "=") {
		return m, fmt.Errorf("%q has one = too many: want %s%s%s; a name that begins with = stands in quotes", text, m.key, form[2], strings.TrimLeft(m.exact, "= "))
	}
	if !slices.Contains(matchKeys, m.key) {
		return m, fmt.Errorf("%q is none of %s", m.key, strings.Join(matchKeys, ", "))
	}
	if strings.HasPrefix(m.exact, `"`) {
		var err error
		if m.exact, err = strconv.Unquote(m.exact); err != nil {
			return m, fmt.Errorf("%s: the quotes do not fit", text)
		}
	}
	if strings.HasSuffix(form[2], "~") {
		var err error
		if m.regexp, err = regexp.Compile(`^(?:` + m.exact + `)$`); err != nil {
			return m, fmt.Errorf("%s: %q is not a regular expression", text, m.exact)
		}
		return m, nil
	}
	if m.key == "severity" && rank(m.exact) == 0 {
		return m, fmt.Errorf("%q is none of info, warning, critical", m.exact)
	}
	return m, nil
}

// String writes a matcher as it is read.
func (m matcher) String() string {
	op := "="
	switch {
	case m.regexp != nil && m.not:
		op = "!~"
	case m.regexp != nil:
		op = "=~"
	case m.not:
		op = "!="
	}
	return m.key + op + strconv.Quote(m.exact)
}

// matchersOf returns the matchers of both forms, those of the map first and by name.
func matchersOf(exact map[string]string, list []string) ([]matcher, error) {
	var out []matcher
	for _, key := range slices.Sorted(maps.Keys(exact)) {
		out = append(out, matcher{key: key, exact: exact[key]})
	}
	for _, text := range list {
		m, err := parseMatcher(text)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// holds reports whether the condition holds. A run is known by its id and by its name, and
// has any number of tags: one of them is enough, and with "not" none may be.
func (m matcher) holds(s subject) bool {
	return slices.ContainsFunc(s.values(m.key), func(v string) bool {
		if m.regexp != nil {
			return m.regexp.MatchString(v)
		}
		return v == m.exact
	}) != m.not
}

func matchAll(all []matcher, s subject) bool {
	return !slices.ContainsFunc(all, func(m matcher) bool { return !m.holds(s) })
}

// values returns what a subject is called by a key.
func (s subject) values(key string) []string {
	switch key {
	case "project":
		return []string{s.run.Project}
	case "run":
		return []string{s.run.ID, s.run.Name}
	case "tag":
		return s.run.Tags
	case "kind":
		return []string{string(s.kind)}
	case "severity":
		return []string{string(s.severity)}
	case "metric":
		return []string{s.metric}
	}
	return nil
}
