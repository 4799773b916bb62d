package rules

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/epochwatch/epochwatch/detectors"
)

// Bounds of what a config may hold.
const (
	maxRules   = 32   // rules
	maxMetrics = 32   // metrics that all rules together name: each costs a run 3 KB
	maxText    = 1000 // characters of an expression or a summary
	maxNodes   = 200  // parts of an expression
	maxFor     = 1000 // epochs
	maxAdvice  = 8    // lines
)

// Rule is one rule as the config has it.
type Rule struct {
	Name     string   `yaml:"name"`     // the kind of its findings
	Enabled  *bool    `yaml:"enabled"`  // nil: true
	When     string   `yaml:"when"`     // the expression that must hold
	For      int      `yaml:"for"`      // epochs in a row; 0: 1
	Severity string   `yaml:"severity"` // empty: warning
	Metric   string   `yaml:"metric"`   // what it is about; empty: the first metric that When names
	Summary  string   `yaml:"summary"`  // with expressions in braces; empty: made from When
	Advice   []string `yaml:"advice"`
}

// Error is one thing that is wrong with a rule.
type Error struct {
	Path    string // as in rules[0].when
	Problem string
	Text    string // of that key, up to the letter at the place; empty where there is none
}

func (e *Error) Error() string { return e.Path + ": " + e.Problem }

var nameForm = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)

// AddTo compiles the rules into a config of detectors. The errors are joined ones of
// type Error.
func AddTo(c detectors.Config, rules []Rule) error {
	var errs []error
	if len(rules) > maxRules {
		errs = append(errs, &Error{Path: "rules", Problem: fmt.Sprintf("there are %d, %d at most", len(rules), maxRules)})
		rules = rules[:maxRules]
	}
	metrics := map[string]bool{}
	for i, r := range rules {
		p := problems{path: fmt.Sprintf("rules[%d]", i)}
		def := r.compile(&p)
		kind := detectors.Kind(r.Name)
		switch {
		case !nameForm.MatchString(r.Name):
			p.add("name", "%.80q: want 1 to 64 of a-z, 0-9 and _", r.Name)
		case detectors.BuiltIn(kind):
			p.add("name", "%q is the name of a detector", r.Name)
		case c[kind].Custom != nil:
			p.add("name", "%q is there twice", r.Name)
		}
		if len(p.errs) == 0 {
			for _, m := range def.Metrics {
				metrics[m] = true
			}
			c[kind] = detectors.Settings{Enabled: r.Enabled, Custom: def}
		}
		errs = append(errs, p.errs...)
	}
	if len(metrics) > maxMetrics {
		errs = append(errs, &Error{Path: "rules", Problem: fmt.Sprintf("they name %d metrics, %d at most", len(metrics), maxMetrics)})
	}
	return errors.Join(errs...)
}

// problems gathers what is wrong with one rule.
type problems struct {
	path string
	errs []error
}

func (p *problems) add(key, format string, args ...any) {
	p.errs = append(p.errs, &Error{Path: p.path + "." + key, Problem: fmt.Sprintf(format, args...)})
}

// within adds what is wrong with an expression in the text of a key, behind before.
func (p *problems) within(key, before, text string, err error) {
	e := &Error{Path: p.path + "." + key, Problem: err.Error()}
	if at, ok := errors.AsType[*placed](err); ok && at.at >= 0 {
		runes := []rune(text)
		e.Text = before + strings.TrimRightFunc(string(runes[:min(at.at+1, len(runes))]), unicode.IsSpace)
	}
	p.errs = append(p.errs, e)
}

func (r *Rule) compile(p *problems) *detectors.CustomRule {
	l := &library{insist: r.Metric}
	def := &detectors.CustomRule{Severity: detectors.Severity(r.Severity), Metric: r.Metric, Advice: r.Advice, For: max(1, r.For)}
	if r.Severity == "" {
		def.Severity = detectors.SeverityWarning
	} else if def.Severity.Rank() == 0 {
		p.add("severity", "%.40q is none of info, warning, critical", r.Severity)
	}
	if r.For < 0 || r.For > maxFor {
		p.add("for", "%d is not within 1 to %d", r.For, maxFor)
	}
	if len(r.Advice) > maxAdvice {
		p.add("advice", "%d lines, %d at most", len(r.Advice), maxAdvice)
	}
	if len(r.Summary) > maxText {
		p.add("summary", "is longer than %d characters", maxText)
	}
	if strings.TrimSpace(r.When) == "" {
		p.add("when", "is missing: the expression that must hold, as in last(\"val_loss\") > 2 * last(\"loss\")")
		return def
	}
	when, err := l.compile(r.When, true)
	if err != nil {
		p.within("when", "", r.When, err)
		return def
	}
	if def.Metric == "" && len(l.terms) > 0 {
		def.Metric = l.terms[0].metric
	}
	shown := len(l.terms)
	parts := l.template(r.Summary, p)
	if len(p.errs) > 0 {
		return def
	}
	def.Metrics = l.metrics()
	name := r.Name
	def.Judge = func(v detectors.View) (bool, error) {
		out, err := when.run(l.look(v))
		if err != nil {
			return false, err
		}
		holds, _ := out.(bool)
		return holds, nil
	}
	def.Tell = func(v detectors.View) (string, []detectors.Reading) {
		env := l.look(v)
		readings := l.readings(env, shown)
		if len(parts) == 0 {
			return usualSummary(name, r.When, def.For, readings), readings
		}
		return say(parts, env), readings
	}
	return def
}

// usualSummary says what holds, with the numbers.
func usualSummary(name, when string, epochs int, readings []detectors.Reading) string {
	var b strings.Builder
	b.WriteString("The rule " + name + " holds")
	if epochs > 1 {
		fmt.Fprintf(&b, ", for %d epochs", epochs)
	}
	for i, r := range readings {
		sign := ", "
		if i == 0 {
			sign = ": "
		}
		fmt.Fprintf(&b, "%s%s is %.4g", sign, r.Name, r.Value)
	}
	text := strings.Join(strings.Fields(when), " ")
	if runes := []rune(text); len(runes) > 300 {
		text = string(runes[:299]) + "…"
	}
	return b.String() + ". It says: " + text
}
