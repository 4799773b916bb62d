package rules

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"github.com/epochwatch/epochwatch/detectors"
)

// placed is an error at a place in an expression.
type placed struct {
	at      int // in characters; -1: nowhere in particular
	problem string
}

func (e *placed) Error() string { return e.problem }

func wrong(at ast.Node, format string, args ...any) error {
	return &placed{at.Location().From, fmt.Sprintf(format, args...)}
}

// library is what the expressions of one rule share: the calls in them.
type library struct {
	terms  []term
	insist string // a metric that is meant as it is written
}

// program is a compiled expression.
type program struct{ code *vm.Program }

// run works it out. It does not panic: the machine below turns panics into errors.
func (p *program) run(env map[string]any) (any, error) {
	out, err := expr.Run(p.code, env)
	if e, ok := errors.AsType[*file.Error](err); ok {
		return nil, errors.New(strings.ReplaceAll(e.Message, "\n", " "))
	}
	return out, err
}

// variables are those of the language, with their values where there is no epoch.
func variables() map[string]any {
	return map[string]any{
		"epoch": 0, "epochs": 0, "attempt": 0, "lr": math.NaN(), "learning_rate": math.NaN(), "seconds": math.NaN(),
	}
}

// differ is != for numbers: a comparison with what is not a number is false, this one too.
const differ = "not equal"

func differs(params ...any) (any, error) {
	a, b := toFloat(params[0]), toFloat(params[1])
	return a < b || a > b, nil
}

func absolute(params ...any) (any, error) { return math.Abs(toFloat(params[0])), nil }

func toFloat(v any) float64 {
	if i, ok := v.(int); ok {
		return float64(i)
	}
	f, _ := v.(float64)
	return f
}

// settings are those of the compiler; env names the variables with their types.
func settings(env map[string]any) *conf.Config {
	c := conf.New(env)
	for _, option := range []expr.Option{
		expr.DisableAllBuiltins(), expr.MaxNodes(maxNodes), expr.Optimize(false),
		expr.Function(differ, differs, new(func(any, any) bool)), expr.Function("abs", absolute, new(func(any) float64)),
	} {
		option(c)
	}
	clear(c.Builtins)
	return c
}

// compile reads an expression that says yes or no, or that is a number.
func (l *library) compile(text string, yes bool) (_ *program, err error) {
	defer func() {
		if p := recover(); p != nil { // the compiler's own
			err = &placed{-1, fmt.Sprintf("not understood: %v", p)}
		}
	}()
	if n := utf8.RuneCountInString(text); n > maxText || !utf8.ValidString(text) {
		return nil, &placed{-1, fmt.Sprintf("want text of %d characters at most", maxText)}
	}
	tree, err := parser.ParseWithConfig(text, settings(variables()))
	if err != nil {
		return nil, syntax(err)
	}
	found, err := l.node(&tree.Node)
	switch {
	case err != nil:
		return nil, err
	case yes && found != condition:
		return nil, wrong(tree.Node, "this is a number; want what holds or does not, as in last(\"loss\") > 1")
	case !yes && found == condition:
		return nil, wrong(tree.Node, "this holds or does not; want a number")
	}
	c := settings(l.example())
	c.Expect, c.ExpectAny = reflect.Bool, false
	if !yes {
		c.Expect = reflect.Float64
	}
	if _, err = checker.Check(tree, c); err != nil {
		return nil, syntax(err)
	}
	code, err := compiler.Compile(tree, c)
	if err != nil {
		return nil, syntax(err)
	}
	return &program{code}, nil
}

// syntax takes the excerpt off an error of the compiler: the config's own errors have one.
func syntax(err error) error {
	if e, ok := errors.AsType[*file.Error](err); ok {
		return &placed{e.From, strings.ReplaceAll(e.Message, "\n", " ")}
	}
	return &placed{-1, strings.ReplaceAll(err.Error(), "\n", " ")}
}

// sort is what an expression gives.
type sort int

const (
	number sort = iota
	condition
)

func (f function) sort() sort {
	if f.yes {
		return condition
	}
	return number
}

func (s sort) String() string { return [...]string{"a number", "a condition"}[s] }

// node holds a piece of an expression against the language, and puts the value of a call
// in its place. What it does not know is refused.
func (l *library) node(at *ast.Node) (sort, error) {
	switch n := (*at).(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		return number, nil
	case *ast.BoolNode:
		return condition, nil
	case *ast.IdentifierNode:
		if i := slices.IndexFunc(l.terms, func(t term) bool { return t.key == n.Value }); i >= 0 {
			return l.terms[i].f.sort(), nil // a < b < c is a < b && b < c: b was here before
		}
		if _, ok := variables()[n.Value]; !ok {
			return number, unknownName(n)
		}
		return number, nil
	case *ast.UnaryNode:
		want := number
		if n.Operator == "!" || n.Operator == "not" {
			want = condition
		}
		return want, l.expect(&n.Node, want, n.Operator)
	case *ast.BinaryNode:
		return l.binary(at, n)
	case *ast.ConditionalNode:
		if err := l.expect(&n.Cond, condition, "?"); err != nil {
			return number, err
		}
		s, err := l.node(&n.Exp1)
		if err != nil {
			return s, err
		}
		return s, l.expect(&n.Exp2, s, ":")
	case *ast.CallNode:
		return l.call(at, n)
	case *ast.BuiltinNode:
		return number, unknownFunction(n, n.Name)
	case *ast.StringNode:
		return number, wrong(n, "a text is only ever the name of a metric, as in last(%q)", n.Value)
	case nil:
		return number, &placed{-1, "there is no expression"}
	}
	return number, wrong(*at, "%.40q is no part of this language: numbers, comparisons, and, or, not, ? :, and functions of metrics", (*at).String())
}

func (l *library) expect(at *ast.Node, want sort, operator string) error {
	got, err := l.node(at)
	if err == nil && got != want {
		return wrong(*at, "%s beside %s, which wants %s", got, operator, want)
	}
	return err
}

func (l *library) binary(at *ast.Node, n *ast.BinaryNode) (sort, error) {
	want, gives := number, number
	switch n.Operator {
	case "+", "-", "*", "/", "%", "**", "^":
	case "<", "<=", ">", ">=":
		gives = condition
	case "&&", "||", "and", "or":
		want, gives = condition, condition
	case "==", "!=":
		gives = condition
		if s, err := l.node(&n.Left); err != nil {
			return s, err
		} else if want = s; want == number && n.Operator == "!=" {
			ast.Patch(at, &ast.CallNode{Callee: &ast.IdentifierNode{Value: differ}, Arguments: []ast.Node{n.Left, n.Right}})
			call, _ := (*at).(*ast.CallNode)
			return gives, l.expect(&call.Arguments[1], want, n.Operator)
		}
		return gives, l.expect(&n.Right, want, n.Operator)
	default:
		return number, wrong(n, "the operator %s is no part of this language", n.Operator)
	}
	if err := l.expect(&n.Left, want, n.Operator); err != nil {
		return gives, err
	}
	return gives, l.expect(&n.Right, want, n.Operator)
}

func (l *library) call(at *ast.Node, n *ast.CallNode) (sort, error) {
	name, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		return number, wrong(n, "only a function can be called")
	}
	if name.Value == differ {
		return condition, nil // was here before
	}
	if name.Value == "abs" && len(n.Arguments) == 1 {
		return number, l.expect(&n.Arguments[0], number, "abs")
	}
	f, ok := functions[name.Value]
	if !ok {
		return number, unknownFunction(n, name.Value)
	}
	t, err := l.readTerm(n, name.Value, f)
	if err != nil {
		return number, err
	}
	i := slices.IndexFunc(l.terms, func(o term) bool { return o.text == t.text })
	if i < 0 {
		i = len(l.terms)
		t.key = fmt.Sprintf("term %d", i)
		l.terms = append(l.terms, t)
	}
	ast.Patch(at, &ast.IdentifierNode{Value: l.terms[i].key})
	return f.sort(), nil
}

// readTerm reads the arguments of a call.
func (l *library) readTerm(n *ast.CallNode, name string, f function) (term, error) {
	form := name + "(\"loss\")"
	if f.last > 0 {
		form = name + "(\"loss\", 5)"
	}
	least, most := 1, 1
	if f.last > 0 {
		most = 2
		if !f.optional {
			least = 2
		}
	}
	if len(n.Arguments) < least || len(n.Arguments) > most {
		return term{}, wrong(n, "%s is called as in %s", name, form)
	}
	metric, ok := n.Arguments[0].(*ast.StringNode)
	if !ok || metric.Value == "" || len(metric.Value) > 128 {
		return term{}, wrong(n.Arguments[0], "want the name of a metric in quotes, as in %s", form)
	}
	if meant := misspelt(metric.Value); meant != "" && metric.Value != l.insist {
		return term{}, wrong(metric, "metric %q, did you mean %q? If not, say so with metric: %s", metric.Value, meant, metric.Value)
	}
	if (name == "best" || name == "since_best") && detectors.Way(metric.Value) == 0 {
		return term{}, wrong(metric, "whether %q should rise or fall is not known from its name: use min or max", metric.Value)
	}
	t := term{metric: metric.Value, f: f, text: name + "(" + metric.Value + ")"}
	if len(n.Arguments) == 2 {
		count, ok := n.Arguments[1].(*ast.IntegerNode)
		if !ok || count.Value < f.last || count.Value > detectors.Recent {
			return term{}, wrong(n.Arguments[1], "want how many of the last values, a whole number from %d to %d", f.last, detectors.Recent)
		}
		t.n, t.text = count.Value, fmt.Sprintf("%s(%s, %d)", name, metric.Value, count.Value)
	}
	return t, nil
}

// example names the variables of the expressions with their types.
func (l *library) example() map[string]any {
	env := variables()
	for _, t := range l.terms {
		env[t.key] = any(0.0)
		if t.f.yes {
			env[t.key] = false
		}
	}
	return env
}

// look works the variables out for an epoch.
func (l *library) look(v detectors.View) map[string]any {
	rate := v.LearningRate()
	env := make(map[string]any, 6+len(l.terms))
	env["epoch"], env["epochs"], env["attempt"], env["seconds"] = v.Epoch(), v.Epochs(), v.Attempt(), v.Seconds()
	env["lr"], env["learning_rate"] = rate, rate
	for i := range l.terms {
		t := &l.terms[i]
		if x := t.value(v); t.f.yes {
			env[t.key] = x > 0
		} else {
			env[t.key] = x
		}
	}
	return env
}

// readings are the numbers of the first n calls.
func (l *library) readings(env map[string]any, n int) []detectors.Reading {
	var out []detectors.Reading
	for _, t := range l.terms[:n] {
		if x, ok := env[t.key].(float64); ok {
			out = append(out, detectors.Reading{Name: t.text, Value: x})
		}
	}
	return out
}

// metrics are those that the rule names, each once.
func (l *library) metrics() []string {
	var out []string
	for _, t := range l.terms {
		out = append(out, t.metric)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
